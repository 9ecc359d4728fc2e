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
from groundtune.feedback.suffixes import LETTER as ENDING
from groundtune.records import ImagePart, Message, Prompt, Source, TextPart
from groundtune.store.images import ImageStore
from groundtune.store.keys import key_of
from groundtune.store.rows import Row, plain
from groundtune.store.sheets import rows_of

PATTERNS = ("*.tsv", "*.csv", "*.xlsx", "*.jsonl", "*.json")
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
    prompt_text: str
    """As a model is asked."""
    file: Path
    row: int


def read_table(paths: Sequence[Path]) -> list[ChoiceQuestion]:
    """The rows of one table, or of several in order.

    Raises:
        UserError: a row without index, question or answer, an answer that is not an option, or a
            repeated index.
    """
    questions = [
        _question(path, row) for path in find_files(paths, *PATTERNS) for row in rows_of(path)
    ]
    where = ", ".join(map(str, paths))
    if not questions:
        raise UserError("The table has no rows.", where, "Give the table of questions.")
    refuse_duplicates((question.id for question in questions), where, "index")
    return questions


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
    option_texts = {
        letter: cells[letter]
        for letter in string.ascii_uppercase
        if cells.get(letter, "") not in _MISSING
    }
    options = option_texts or options_in(text) or dict.fromkeys("ABCD", "")
    if answer not in string.ascii_uppercase or len(answer) != 1:
        raise UserError(
            f"The answer {cells['answer']!r} is not a letter.", row.where, "Fix the row."
        )
    hint = cells.get("hint", "")
    lines = [*([hint] if hint not in _MISSING else []), text]
    lines += [f"{letter}. {option_text}" for letter, option_text in option_texts.items()]
    l2 = cells.get("l2_category") or cells.get("l2-category") or ""
    strata = {"category": cells.get("category", ""), "l2_category": l2}
    return ChoiceQuestion(
        id=cells["index"],
        text=text,
        options=options,
        answer=answer,
        strata={axis: name for axis, name in strata.items() if name},
        prompt_text="\n".join([*lines, ENDING]),
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
    ids = {question.id for question in data}
    fitting = (path for path in sorted(images.glob("*")) if path.stem in ids)
    files = one_file_per_name(fitting, lambda path: path.stem)
    hashes: dict[str, str] = {}
    items: list[Item] = []
    for question in data:
        cell = cells.get(question.id, "")
        holder = cell if 0 < len(cell) <= _LONGEST_REFERENCE else question.id
        if holder not in hashes:
            hashes[holder] = _store_image(holder, cells.get(holder, ""), files, store, question)
        content = (ImagePart(image=hashes[holder]), TextPart(text=question.prompt_text))
        prompt = Prompt(
            key=key_of(name, question.id, question.prompt_text, hashes[holder]),
            messages=(Message(role="user", content=content),),
            options=tuple(question.options.values()),
            source=Source(dataset=name, row=question.id),
        )
        items.append(
            Item(
                key=question.id,
                benchmark=name,
                image=question.id,
                prompt=prompt,
                target=question.answer,
                strata=dict(question.strata),
            )
        )
    return items


def _images_in(data: Sequence[ChoiceQuestion]) -> dict[str, str]:
    return {
        plain(row.fields.get("index")): plain(row.fields.get("image"))
        for path in dict.fromkeys(question.file for question in data)
        for row in rows_of(path)
    }


def _store_image(
    index: str, cell: str, files: Mapping[str, Path], store: ImageStore, question: ChoiceQuestion
) -> str:
    where = f"{question.file}:{question.row}"
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
