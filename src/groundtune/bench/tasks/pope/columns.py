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

MAX_CACHED = 1 << 17
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
        """The sums per group, of all answers or of those to questions with one label."""
        counts = self._of(mode).copy()
        if label:
            counts[:, 0 if label == "no" else 1 :: 2] = 0
        return table_of_counts(counts, frozenset(), "pope")

    def _of(self, mode: Mode) -> NDArray[np.int64]:
        return self.counts_2GO[MODES.index(mode)]


def count(
    questions: Path, answers: Path, column: str, mode: Mode, items: ItemFile
) -> OutcomeCounts:
    """Count all answers of a JSON lines file, with a file of questions; items are of `mode`.

    Raises:
        UserError: their numbers differ, an answer has another question, or a line can't be read.
    """
    counts = OutcomeCounts()
    more = ("question",) if _starts(answers, ("question",)) else ()
    asked_of = ("image", "label", *("text" for _ in more))
    question_rows = (_question_rows(piece) for piece in pieces(questions, asked_of))
    answer_rows = _answer_rows(pieces(answers, (column, *more)), column)
    for questions_, answers_ in _side_by_side(question_rows, answer_rows, answers):
        _refuse_others(questions_, answers_, counts.n, answers)
        outcomes_2N = answers_.readings_2T[:, answers_.which_N] * np.int8(2) + questions_.labels_N
        for label in (0, 1):
            places = questions_.groups_N * len(OUTCOMES) + outcomes_2N[label]
            outcome_counts = np.bincount(places, minlength=GROUPS * len(OUTCOMES))
            counts.counts_2GO[label] += outcome_counts.reshape(GROUPS, len(OUTCOMES))
        answer_column = Column(answers_.which_N, answers_.texts)
        read_N = outcomes_2N[MODES.index(mode)]
        items.add(counts.n, questions_.images, answer_column, questions_.labels_N, read_N)
        counts.n += len(answers_.which_N)
    return counts


def _refuse_others(
    questions: QuestionRows, answers: AnswerRows, first_row: int, path: Path
) -> None:
    """Refuse an answer with another question; each pair of texts is compared once."""
    question_texts, prompts = questions.questions, answers.prompts
    if question_texts is None or prompts is None:
        return
    places = {text: place for place, text in enumerate(question_texts.texts)}
    same_T = np.array([places.get(text, -1) for text in prompts.texts], dtype=np.int32)
    unlike = np.flatnonzero(same_T[prompts.codes_N] != question_texts.codes_N)
    texts = np.int64(len(question_texts.texts))
    pairs, first = np.unique(
        prompts.codes_N[unlike] * texts + question_texts.codes_N[unlike], return_index=True
    )
    others = [
        at
        for pair, at in zip(pairs.tolist(), first.tolist(), strict=True)
        if not is_asked(question_texts.texts[pair % texts], prompts.texts[pair // texts])
    ]
    if others:
        at = int(unlike[min(others)])
        prompt, question = (
            prompts.texts[prompts.codes_N[at]],
            question_texts.texts[question_texts.codes_N[at]],
        )
        raise other_question(
            prompt, question, first_row + at + 1, f"{path}, answer {first_row + at + 1:,}"
        )


def _question_rows(piece: Piece) -> QuestionRows:
    labels, images = piece["label"], piece["image"]
    no = np.array([text == "no" for text in labels.texts], dtype=np.int8)
    return QuestionRows(
        no[labels.codes_N], groups_of(images.texts)[images.codes_N], images, piece.get("text")
    )


def _answer_rows(file_pieces: Iterator[Piece], column: str) -> Iterator[AnswerRows]:
    pairs: dict[str, tuple[int, int]] = {}
    for piece in file_pieces:
        codes_N, texts = piece[column]
        if len(pairs) > MAX_CACHED:
            pairs.clear()
        for text in texts:
            if text not in pairs:
                pairs[text] = _read(text)
        readings = np.array([pairs[text] for text in texts], dtype=np.int8).T
        yield AnswerRows(codes_N, texts, readings, piece.get("question"))


def _read(text: str) -> tuple[int, int]:
    return (
        READINGS.index(yes_no_rules.pope(text)),
        READINGS.index(yes_no_rules.strict(split_thoughts(text).answer)),
    )


def _side_by_side(
    question_rows: Iterator[QuestionRows], answer_rows: Iterator[AnswerRows], where: Path
) -> Iterator[tuple[QuestionRows, AnswerRows]]:
    """The same rows of both, as long as both have some; a remainder is an error."""
    questions: QuestionRows | None = None
    answers: AnswerRows | None = None
    rows = 0
    while True:
        questions = next(question_rows, None) if questions is None else questions
        answers = next(answer_rows, None) if answers is None else answers
        if questions is None or answers is None:
            break
        n = min(len(questions.labels_N), len(answers.which_N))
        rows += n
        yield _question_slice(questions, 0, n), _answer_slice(answers, 0, n)
        questions = _question_slice(questions, n, None) if len(questions.labels_N) > n else None
        answers = _answer_slice(answers, n, None) if len(answers.which_N) > n else None
    if questions is None and answers is None:
        return
    more_asked = (len(questions.labels_N) if questions else 0) + sum(
        len(w.labels_N) for w in question_rows
    )
    more_told = (len(answers.which_N) if answers else 0) + sum(len(s.which_N) for s in answer_rows)
    raise UserError(
        f"There are {rows + more_told:,} answers to {rows + more_asked:,} questions.",
        str(where),
        "Answer each question once, in the order of the data.",
    )


def _question_slice(questions: QuestionRows, start: int, end: int | None) -> QuestionRows:
    return QuestionRows(
        questions.labels_N[start:end],
        questions.groups_N[start:end],
        _rows(questions.images, start, end),
        questions.questions and _rows(questions.questions, start, end),
    )


def _answer_slice(answers: AnswerRows, start: int, end: int | None) -> AnswerRows:
    prompts = answers.prompts and _rows(answers.prompts, start, end)
    return AnswerRows(answers.which_N[start:end], answers.texts, answers.readings_2T, prompts)


def _rows(column: Column, start: int, end: int | None) -> Column:
    return Column(column.codes_N[start:end], column.texts)


def score_large(data: Sequence[Path], answers: Path, mode: Mode, items: Path) -> LargeScores | None:
    """Score one large file of answers to one of questions, both JSON lines; else return None.

    Raises:
        UserError: their numbers differ, an answer is to another question, a line can't be read, or
            the disk is full.
    """
    if len(data) != 1 or not data[0].is_file() or not answers.is_file():
        return None
    column = _answer_column(answers)
    if not column or not _starts(data[0], ("image", "text", "label")):
        return None
    if column == "text" and _starts(answers, ("image", "label")):
        return None  # these may be the questions
    with ItemFile(items.with_suffix(".parquet")) as file:
        counts = count(data[0], answers, column, mode, file)
    return LargeScores(
        n=counts.n,
        unparsed={mode_: counts.unparsed(mode_) for mode_ in MODES},
        tables={mode_: counts.table(mode_) for mode_ in MODES},
        strata={f"label/{label}": counts.table(mode, label) for label in ("yes", "no")},
        items=file.path,
    )


def _answer_column(path: Path) -> str:
    """The column of the answers, if the file is JSON lines of the official layout."""
    column = _starts(path, ("answer",)) or _starts(path, ("text",))
    return column[0] if column else ""


def _starts(path: Path, names: Sequence[str]) -> Sequence[str]:
    """The names, if the first line is a JSON object that has them all and isn't another tool's."""
    with open_text(path) as file:
        line = file.readline(PIECE)
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError):
        return ()  # the reader of the rows says what is wrong
    fields = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    foreign = {"doc", "target", "prediction", "category"} & fields.keys()
    return names if not foreign and all(isinstance(fields.get(n), str) for n in names) else ()
