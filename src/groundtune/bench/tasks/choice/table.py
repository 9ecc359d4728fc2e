"""Reader of MMStar's and MMBench's tables of multiple-choice questions.

Columns: index, question, answer (a letter), A, B, ... (options; MMStar's are in the question),
hint, category, l2_category or l2-category, bench, split, and image: base64, or the index of the row
with the image. Images are read only when items are built.
"""

import base64
import binascii
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from groundtune.bench.files.checks import find_files, one_file_per_name, refuse_duplicates
from groundtune.bench.item import Item
from groundtune.bench.text.choices import options_in
from groundtune.errors import UserError
from groundtune.records import ImagePart, Message, Prompt, Source, TextPart
from groundtune.store.images import ImageStore
from groundtune.store.keys import key_of
from groundtune.store.rows import Row, plain
from groundtune.store.sheets import rows_of

PATTERNS = ("*.tsv", "*.csv", "*.xlsx", "*.jsonl", "*.json")
ENDING = "Answer with the option's letter from the given choices directly."
"""LLaVA's suffix for choices (arXiv 2310.03744)."""
_MISSING = ("", "nan")
_LONGEST_REFERENCE = 64
"""A longer cell in the column image is an image, a shorter one an index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceQuestion:
    """One row."""

    id: str
    text: str
    options: Mapping[str, str]
    """{letter: text}; A to D without texts where neither row nor question says."""
    answer: str
    strata: Mapping[str, str]
    asked: str
    """As a model is asked."""
    file: Path
    row: int


def read_table(paths: Sequence[Path]) -> list[ChoiceQuestion]:
    """The rows of one table, or of several one after another.

    Raises:
        UserError: a row without index, question or answer, an answer that is no option, or a
            doubled index.
    """
    made = [_question(path, row) for path in find_files(paths, *PATTERNS) for row in rows_of(path)]
    where = ", ".join(map(str, paths))
    if not made:
        raise UserError("The table has no rows.", where, "Give the table of questions.")
    refuse_duplicates((each.id for each in made), where, "index")
    return made


def _question(path: Path, row: Row) -> ChoiceQuestion:
    cells = {name: plain(value) for name, value in row.fields.items()}
    lacking = [name for name in ("index", "question", "answer") if cells.get(name, "") in _MISSING]
    if lacking:
        raise UserError(
            f"The row has no {', '.join(lacking)}.",
            row.where,
            "Give a table with the columns index, question and answer; test splits have none.",
        )
    text, answer = cells["question"], cells["answer"].strip().upper()
    listed = {
        letter: cells[letter]
        for letter in string.ascii_uppercase
        if cells.get(letter, "") not in _MISSING
    }
    options = listed or options_in(text) or dict.fromkeys("ABCD", "")
    if answer not in string.ascii_uppercase or len(answer) != 1:
        raise UserError(
            f"The answer {cells['answer']!r} is not a letter.", row.where, "Fix the row."
        )
    hint = cells.get("hint", "")
    lines = [*([hint] if hint not in _MISSING else []), text]
    lines += [f"{letter}. {said}" for letter, said in listed.items()]
    l2 = cells.get("l2_category") or cells.get("l2-category") or ""
    strata = {"category": cells.get("category", ""), "l2_category": l2}
    return ChoiceQuestion(
        id=cells["index"],
        text=text,
        options=options,
        answer=answer,
        strata={axis: name for axis, name in strata.items() if name},
        asked="\n".join([*lines, ENDING]),
        file=path,
        row=row.number,
    )


def items_of(
    name: str, data: Sequence[ChoiceQuestion], images: Path, store: ImageStore
) -> list[Item]:
    """The questions as prompts; images from the tables, else from a folder by index.

    Raises:
        UserError: an image is neither in the table nor in the folder, or can't be decoded.
    """
    cells = _images_in(data)
    wanted = {each.id for each in data}
    fitting = (path for path in sorted(images.glob("*")) if path.stem in wanted)
    files = one_file_per_name(fitting, lambda path: path.stem)
    stored: dict[str, str] = {}
    made: list[Item] = []
    for each in data:
        cell = cells.get(each.id, "")
        holder = cell if 0 < len(cell) <= _LONGEST_REFERENCE else each.id
        if holder not in stored:
            stored[holder] = _stored(holder, cells.get(holder, ""), files, store, each)
        content = (ImagePart(image=stored[holder]), TextPart(text=each.asked))
        prompt = Prompt(
            key=key_of(name, each.id, each.asked, stored[holder]),
            messages=(Message(role="user", content=content),),
            options=tuple(each.options.values()),
            source=Source(dataset=name, row=each.id),
        )
        made.append(
            Item(
                key=each.id,
                benchmark=name,
                image=each.id,
                prompt=prompt,
                target=each.answer,
                strata=dict(each.strata),
            )
        )
    return made


def _images_in(data: Sequence[ChoiceQuestion]) -> dict[str, str]:
    return {
        plain(row.fields.get("index")): plain(row.fields.get("image"))
        for path in dict.fromkeys(each.file for each in data)
        for row in rows_of(path)
    }


def _stored(
    index: str, cell: str, files: Mapping[str, Path], store: ImageStore, asked: ChoiceQuestion
) -> str:
    where = f"{asked.file}:{asked.row}"
    if len(cell) > _LONGEST_REFERENCE:
        try:
            return store.add(base64.b64decode(cell, validate=True), name=where)
        except binascii.Error as error:
            raise UserError(
                f"The image of index {index} is not base64: {error}.", where, "Fix the row."
            ) from error
    if index in files:
        return store.add(files[index])
    raise UserError(
        f"Index {index} has no image.",
        where,
        "Give the table with its images, or a folder of files named by index.",
    )
