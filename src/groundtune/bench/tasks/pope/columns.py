"""POPE for large files: the same metrics as `pope.py`, with constant memory.

Questions and answers are read in parallel, in chunks (`files/columns.py`). Each distinct answer of
a chunk is parsed once, and only outcomes are counted, by group of images. If the first answer
includes its question, all questions are compared with the data's; ids are not.

The items are a Parquet file (`large_items.py`), which replaces the Score records.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# Reason: pyarrow ships no types.

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from groundtune.bench.benchmark import LargeScores
from groundtune.bench.files.columns import PIECE, Column, Piece, pieces
from groundtune.bench.files.large_items import (
    GROUPS,
    OUTCOMES,
    READINGS,
    ItemFile,
    Small,
    groups_of,
    table_of_counts,
)
from groundtune.bench.item import MODES, Mode
from groundtune.bench.stats.sums import SumTable
from groundtune.bench.tasks.pope.questions import is_asked, other_question
from groundtune.bench.text import yes_no as yes_no_rules
from groundtune.errors import UserError
from groundtune.generate.thoughts import split_thoughts
from groundtune.store.rows import open_text

KEPT = 1 << 17
"""Number of distinct answers whose parsed values are cached."""


class AnswerRows(NamedTuple):
    """Answers of a range of rows, as indices into the distinct texts."""

    which_N: NDArray[np.int32]
    texts: list[str]
    readings_2T: Small
    """By mode (official, strict), then text: a code of READINGS."""
    prompts: Column | None
    """The questions included with the answers."""


class QuestionRows(NamedTuple):
    """Labels (0 yes, 1 no), images and image groups of a range of rows."""

    labels_N: Small
    groups_N: NDArray[np.int64]
    images: Column
    questions: Column | None
    """The questions, where the answers include theirs."""


@dataclass
class OutcomeCounts:
    """Answers by group and outcome, for both modes."""

    n: int = 0
    counts_2GO: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((2, GROUPS, len(OUTCOMES)), dtype=np.int64)
    )

    def unparsed(self, mode: Mode) -> int:
        """Answers that the mode's rule can't read."""
        return int(self._of(mode)[:, 4:].sum())

    def table(self, mode: Mode, label: str = "") -> SumTable:
        """The sums a group, of all answers or of those to questions with one label."""
        counts = self._of(mode).copy()
        if label:
            counts[:, 0 if label == "no" else 1 :: 2] = 0
        return table_of_counts(counts, frozenset(), "pope")

    def _of(self, mode: Mode) -> NDArray[np.int64]:
        return self.counts_2GO[MODES.index(mode)]


def count(
    questions: Path, answers: Path, column: str, mode: Mode, items: ItemFile
) -> OutcomeCounts:
    """Counts all answers of a file of JSON lines beside a file of questions; items are of `mode`.

    Raises:
        UserError: their numbers differ, an answer is to another question, or a line can't be read.
    """
    counted = OutcomeCounts()
    more = ("question",) if _starts(answers, ("question",)) else ()
    asked_of = ("image", "label", *("text" for _ in more))
    asked = (_wanted(piece) for piece in pieces(questions, asked_of))
    told = _answer_rows(pieces(answers, (column, *more)), column)
    for wanted, said in _side_by_side(asked, told, answers):
        _refuse_others(wanted, said, counted.n, answers)
        outcomes_2N = said.readings_2T[:, said.which_N] * np.int8(2) + wanted.labels_N
        for each in (0, 1):
            places = wanted.groups_N * len(OUTCOMES) + outcomes_2N[each]
            found = np.bincount(places, minlength=GROUPS * len(OUTCOMES))
            counted.counts_2GO[each] += found.reshape(GROUPS, len(OUTCOMES))
        answered = Column(said.which_N, said.texts)
        read_N = outcomes_2N[MODES.index(mode)]
        items.add(counted.n, wanted.images, answered, wanted.labels_N, read_N)
        counted.n += len(said.which_N)
    return counted


def _refuse_others(wanted: QuestionRows, said: AnswerRows, done: int, path: Path) -> None:
    """Refuses an answer that carries another question; each pair of texts is compared once."""
    asked, told = wanted.questions, said.prompts
    if asked is None or told is None:
        return
    places = {text: place for place, text in enumerate(asked.texts)}
    same_T = np.array([places.get(text, -1) for text in told.texts], dtype=np.int32)
    unlike = np.flatnonzero(same_T[told.codes_N] != asked.codes_N)
    texts = np.int64(len(asked.texts))
    pairs, first = np.unique(
        told.codes_N[unlike] * texts + asked.codes_N[unlike], return_index=True
    )
    others = [
        at
        for pair, at in zip(pairs.tolist(), first.tolist(), strict=True)
        if not is_asked(asked.texts[pair % texts], told.texts[pair // texts])
    ]
    if others:
        at = int(unlike[min(others)])
        prompt, question = told.texts[told.codes_N[at]], asked.texts[asked.codes_N[at]]
        raise other_question(prompt, question, done + at + 1, f"{path}, answer {done + at + 1:,}")


def _wanted(piece: Piece) -> QuestionRows:
    labels, images = piece["label"], piece["image"]
    no = np.array([text == "no" for text in labels.texts], dtype=np.int8)
    return QuestionRows(
        no[labels.codes_N], groups_of(images.texts)[images.codes_N], images, piece.get("text")
    )


def _answer_rows(read: Iterator[Piece], column: str) -> Iterator[AnswerRows]:
    known: dict[str, tuple[int, int]] = {}
    for piece in read:
        codes_N, texts = piece[column]
        if len(known) > KEPT:
            known.clear()
        for text in texts:
            if text not in known:
                known[text] = _read(text)
        readings = np.array([known[text] for text in texts], dtype=np.int8).T
        yield AnswerRows(codes_N, texts, readings, piece.get("question"))


def _read(text: str) -> tuple[int, int]:
    return (
        READINGS.index(yes_no_rules.pope(text)),
        READINGS.index(yes_no_rules.strict(split_thoughts(text).answer)),
    )


def _side_by_side(
    asked: Iterator[QuestionRows], told: Iterator[AnswerRows], where: Path
) -> Iterator[tuple[QuestionRows, AnswerRows]]:
    """The same rows of both, as far as both have some; what is left over is an error."""
    wanted: QuestionRows | None = None
    said: AnswerRows | None = None
    rows = 0
    while True:
        wanted = next(asked, None) if wanted is None else wanted
        said = next(told, None) if said is None else said
        if wanted is None or said is None:
            break
        n = min(len(wanted.labels_N), len(said.which_N))
        rows += n
        yield _wanted_rows(wanted, 0, n), _answer_slice(said, 0, n)
        wanted = _wanted_rows(wanted, n, None) if len(wanted.labels_N) > n else None
        said = _answer_slice(said, n, None) if len(said.which_N) > n else None
    if wanted is None and said is None:
        return
    more_asked = (len(wanted.labels_N) if wanted else 0) + sum(len(w.labels_N) for w in asked)
    more_told = (len(said.which_N) if said else 0) + sum(len(s.which_N) for s in told)
    raise UserError(
        f"There are {rows + more_told:,} answers to {rows + more_asked:,} questions.",
        str(where),
        "Answer each question once, in the order of the data.",
    )


def _wanted_rows(wanted: QuestionRows, start: int, end: int | None) -> QuestionRows:
    return QuestionRows(
        wanted.labels_N[start:end],
        wanted.groups_N[start:end],
        _rows(wanted.images, start, end),
        wanted.questions and _rows(wanted.questions, start, end),
    )


def _answer_slice(said: AnswerRows, start: int, end: int | None) -> AnswerRows:
    prompts = said.prompts and _rows(said.prompts, start, end)
    return AnswerRows(said.which_N[start:end], said.texts, said.readings_2T, prompts)


def _rows(column: Column, start: int, end: int | None) -> Column:
    return Column(column.codes_N[start:end], column.texts)


def score_large(data: Sequence[Path], answers: Path, mode: Mode, items: Path) -> LargeScores | None:
    """Scores one large file of answers to one of questions, both JSON lines; None for any other.

    Raises:
        UserError: their numbers differ, an answer is to another question, a line can't be read, or
            the disk is full.
    """
    if len(data) != 1 or not data[0].is_file() or not answers.is_file():
        return None
    column = _answer_column(answers)
    if not column or not _starts(data[0], ("image", "text", "label")):
        return None
    with ItemFile(items.with_suffix(".parquet")) as file:
        counted = count(data[0], answers, column, mode, file)
    return LargeScores(
        n=counted.n,
        unparsed={each: counted.unparsed(each) for each in MODES},
        tables={each: counted.table(each) for each in MODES},
        strata={f"label/{label}": counted.table(mode, label) for label in ("yes", "no")},
        items=file.path,
    )


def _answer_column(path: Path) -> str:
    """The column that holds the answers, if the file is JSON lines of the official layout."""
    found = _starts(path, ("answer",)) or _starts(path, ("text",))
    return found[0] if found else ""


def _starts(path: Path, names: Sequence[str]) -> Sequence[str]:
    """The names, if the first line is a JSON object that has them all and is no other tool's."""
    with open_text(path) as file:
        line = file.readline(PIECE)
    try:
        found: object = json.loads(line)
    except (ValueError, RecursionError):
        return ()  # whoever reads the rows says what is wrong
    fields = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    foreign = {"doc", "target", "prediction", "category"} & fields.keys()
    return names if not foreign and all(isinstance(fields.get(n), str) for n in names) else ()
