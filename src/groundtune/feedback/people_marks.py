"""What people marked in answers: claims with labels (FaithScore), tagged spans (MHALO).

FaithScore (Jing et al. 2023, arXiv 2311.01477; github.com/bcdnlp/FAITHSCORE): JSON lines of

    id | answer | stage 1: {sub-sentence: 1 if it describes the image, else 0}
    stage 2: {atomic claim: 1 if it is true of the image, else 0}

MHALO (github.com/csuJC/MHALO): a JSON list of

    test_solution | hallucinated_solution: the same with <hallucination> tags | original_solution

In 42 of its 500 rows of RLHF-V the text without tags is another than the text: these are refused.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, cast

from groundtune.errors import UserError
from groundtune.store.rows import Row, json_rows

_TAG = re.compile(r"</?hallucination>")
FIX = "Give FaithScore's annotation.jsonl or one of MHALO's processed_*.json."


class LabelledAnswer(NamedTuple):
    """An answer with people's claims."""

    name: str
    """Of its image."""
    text: str
    parts: Mapping[str, bool]
    """Sub-sentences of it, and whether each describes the image."""
    claims: Mapping[str, bool]
    """Atomic claims, and whether each is true."""


class TaggedAnswer(NamedTuple):
    """An answer with people's spans of what is wrong, and its corrected text if there is one."""

    name: str
    text: str
    spans: tuple[tuple[int, int], ...]
    corrected: str


def is_faithscore(path: Path) -> bool:
    """Whether a file's first row is FaithScore's, not MHALO's."""
    row = next(iter(json_rows(path, FIX)), None)
    return row is not None and "stage 2" in row.fields


def labelled_answers(path: Path) -> Iterator[LabelledAnswer]:
    """The answers of FaithScore's file.

    Raises:
        UserError: a row lacks a column, or a label is neither 0 nor 1.
    """
    for row in json_rows(path, FIX):
        parts, claims = _labels(row, "stage 1"), _labels(row, "stage 2")
        yield LabelledAnswer(_text(row, "id"), _text(row, "answer"), parts, claims)


def tagged_answers(path: Path) -> tuple[list[TaggedAnswer], int]:
    """The answers of one of MHALO's files, and how many rows were refused as misaligned.

    Raises:
        UserError: a row lacks a column, or all are misaligned.
    """
    answers: list[TaggedAnswer] = []
    refused = 0
    for row in json_rows(path, FIX):
        text, tagged = _text(row, "test_solution"), _text(row, "hallucinated_solution")
        spans = _spans(tagged)
        if spans is None or _TAG.sub("", tagged) != text:
            refused += 1
            continue
        original = row.fields.get("original_solution")
        corrected = original if isinstance(original, str) and original != "None" else ""
        name = str(row.fields.get("image_path", row.fields.get("id", "")))
        answers.append(TaggedAnswer(name, text, spans, corrected))
    if not answers:
        raise UserError(
            f"The text without tags is another than test_solution in all {refused} rows.",
            str(path),
            FIX,
        )
    return answers, refused


def _spans(tagged: str) -> tuple[tuple[int, int], ...] | None:
    """The tagged characters of the text without tags; None if a tag has no partner."""
    spans: list[tuple[int, int]] = []
    removed, start = 0, -1
    for match in _TAG.finditer(tagged):
        place = match.start() - removed
        removed += len(match.group())
        closes = match.group().startswith("</")
        if closes != (start >= 0):
            return None
        if closes:
            spans.append((start, place))
        start = -1 if closes else place
    return tuple(spans) if start < 0 else None


def _text(row: Row, name: str) -> str:
    value = row.fields.get(name)
    if not isinstance(value, str):
        raise UserError(f"{name!r} is missing.", row.where, FIX)
    return value


def _labels(row: Row, name: str) -> dict[str, bool]:
    value: object = row.fields.get(name)
    labels = cast("dict[str, object]", value) if isinstance(value, dict) else {"": None}
    if not all(each in (0, 1) for each in labels.values()):
        raise UserError(f"{name!r} is not an object of labels 0 and 1.", row.where, FIX)
    return {text: bool(each) for text, each in labels.items()}
