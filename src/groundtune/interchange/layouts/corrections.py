"""A table of corrections, as experts write it in a spreadsheet: one row per corrected answer.

    question           the prompt's text
    image              a path; several are separated by | or a line break
    answer             the model's answer: the rejected text
    corrected answer   the corrected text: the chosen text

Each column may have one of a few other names (`NAMES`), in any case, with spaces, `_` or `-`
between words. White space around a text is ignored. A row whose corrected answer is empty or equals
the answer makes no pair.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from groundtune.errors import UserError
from groundtune.interchange.dialogue import image_question, only_question
from groundtune.interchange.images import row_images
from groundtune.interchange.layout import Content, Layout, LayoutError
from groundtune.store.rows import Fields, plain
from groundtune.store.sheets import headers_of, is_table, without_guard

NAMES: Mapping[str, tuple[str, ...]] = {
    "question": ("prompt", "instruction"),
    "image": ("image path", "image file", "file name", "filename", "file", "path"),
    "answer": ("model answer", "response", "model response", "original answer"),
    "corrected answer": ("correction", "corrected", "corrected response", "corrected text"),
}
"""The columns, and the alternative names of each."""

_MOST_IMAGES = 1000
_SHOWN = 200
"""Maximum number of characters of headers in an error."""
_BETWEEN_IMAGES = re.compile(r"[|\r\n]+")
_BETWEEN_WORDS = re.compile(r"[\s_-]+")


def _translate(path: Path) -> Callable[[Fields], Fields]:
    """Return the function that renames a row's columns; for JSON it looks at each row."""
    if not is_table(path):
        return lambda row: _with_usual_names(row, _columns(list(row)))
    headers = headers_of(path)
    try:
        columns = _columns(headers)
    except LayoutError as error:
        raise UserError(
            f"{error.what}.",
            f"{path}, headers {', '.join(map(repr, headers))[:_SHOWN]}",
            f"Name the columns {', '.join(NAMES)} in the first row.",
        ) from error
    return lambda row: _with_usual_names(_unguarded(row), columns)


def _unguarded(row: Fields) -> Fields:
    return {
        name: without_guard(value) if isinstance(value, str) else value
        for name, value in row.items()
    }


def _columns(headers: Sequence[str]) -> Mapping[str, str]:
    """The usual name of each header that has one. Raises LayoutError if one is ambiguous."""
    columns: dict[str, str] = {}
    for usual, others in NAMES.items():
        exact = [header for header in headers if _words(header) == usual]
        matches = exact or [header for header in headers if _words(header) in others]
        if not matches:
            raise LayoutError(f"There is no column {usual!r}")
        if len(matches) > 1:
            raise LayoutError(f"Several columns may be {usual!r}: {', '.join(map(repr, matches))}")
        columns[matches[0]] = usual
    return columns


def _words(header: str) -> str:
    return _BETWEEN_WORDS.sub(" ", header).strip().casefold()


def _with_usual_names(row: Fields, columns: Mapping[str, str]) -> Fields:
    return {columns.get(name, name): value for name, value in row.items()}


def _leaves_out(row: Fields) -> str:
    answer, corrected = (plain(row[name]).strip() for name in ("answer", "corrected answer"))
    if not corrected:
        return "no corrected answer"
    return "the corrected answer equals the answer" if answer == corrected else ""


def _parse(row: Fields) -> Content:
    texts = {name: _text(row, name) for name in NAMES}
    paths = [path.strip() for path in _BETWEEN_IMAGES.split(texts["image"])]
    images = row_images([path for path in paths if path], "image")
    return Content(
        turns=image_question(texts["question"], len(images)),
        images=images,
        chosen=texts["corrected answer"],
        rejected=texts["answer"],
        row=plain(row.get("id")),
    )


def _text(row: Fields, name: str) -> str:
    value = row.get(name)
    if isinstance(value, bool | list | dict):
        raise LayoutError("It is not text", name)
    text = plain(value).strip()
    if not text:
        raise LayoutError("The cell is empty", name)
    return text


def _render(content: Content, columns: Sequence[str]) -> dict[str, Any]:
    return {
        "question": only_question(content, "corrections", _MOST_IMAGES),
        "image": " | ".join(image.path or "" for image in content.images),
        "answer": content.rejected,
        "corrected answer": content.chosen,
    }


LAYOUT = Layout(
    name="corrections",
    title="corrections",
    endings=(".jsonl", ".json"),
    tables=(".csv", ".tsv", ".xlsx"),
    headers=tuple(NAMES),
    parse=_parse,
    render=_render,
    leaves_out=_leaves_out,
    translate=_translate,
)
