"""POPE over large files: the same numbers as `pope.py` gives, with memory that doesn't grow.

Questions and answers are read side by side in pieces (`columns.py`), each different answer of a
piece is read once, and only outcomes are counted, by group of pictures.

The items are a Parquet file (`large_items.py`), which stands for the Score records.
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

from groundtune.bench import yes_no_rules
from groundtune.bench.columns import PIECE, Column, Piece, pieces
from groundtune.bench.large_items import (
    GROUPS,
    OUTCOMES,
    READINGS,
    ItemFile,
    Small,
    groups_of,
    table_of_counts,
)
from groundtune.bench.official import MODES, LargeScores, Mode
from groundtune.bench.stats import Table
from groundtune.errors import UserError

KEPT = 1 << 17
"""Different answers whose readings are remembered."""


class Said(NamedTuple):
    """Answers of some rows: which of the different texts each is."""

    which_N: NDArray[np.int32]
    texts: list[str]
    readings_2T: Small
    """By mode (official, strict), then text: a code of READINGS."""


class Wanted(NamedTuple):
    """Labels (0 yes, 1 no), pictures and their groups of some rows."""

    labels_N: Small
    groups_N: NDArray[np.int64]
    images: Column


@dataclass
class Counted:
    """Answers by group and outcome, for both modes."""

    n: int = 0
    counts_2GO: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((2, GROUPS, len(OUTCOMES)), dtype=np.int64)
    )

    def unparsed(self, mode: Mode) -> int:
        """Answers that the mode's rule can't read."""
        return int(self._of(mode)[:, 4:].sum())

    def table(self, mode: Mode, label: str = "") -> Table:
        """The sums a group, of all answers or of those to questions with one label."""
        counts = self._of(mode).copy()
        if label:
            counts[:, 0 if label == "no" else 1 :: 2] = 0
        return table_of_counts(counts, frozenset(), "pope")

    def _of(self, mode: Mode) -> NDArray[np.int64]:
        return self.counts_2GO[MODES.index(mode)]


def count(questions: Path, answers: Path, column: str, mode: Mode, items: ItemFile) -> Counted:
    """Counts all answers of a file of JSON lines beside a file of questions; items are of `mode`.

    Raises:
        UserError: their numbers differ, or a line can't be read.
    """
    counted = Counted()
    asked = (_wanted(piece) for piece in pieces(questions, ("image", "label")))
    told = _said(pieces(answers, (column,)), column)
    for wanted, said in _side_by_side(asked, told, answers):
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


def _wanted(piece: Piece) -> Wanted:
    labels, images = piece["label"], piece["image"]
    no = np.array([text == "no" for text in labels.texts], dtype=np.int8)
    return Wanted(no[labels.codes_N], groups_of(images.texts)[images.codes_N], images)


def _said(read: Iterator[Piece], column: str) -> Iterator[Said]:
    known: dict[str, tuple[int, int]] = {}
    for piece in read:
        codes_N, texts = piece[column]
        if len(known) > KEPT:
            known.clear()
        for text in texts:
            if text not in known:
                known[text] = _read(text)
        readings = np.array([known[text] for text in texts], dtype=np.int8).T
        yield Said(codes_N, texts, readings)


def _read(text: str) -> tuple[int, int]:
    return (
        READINGS.index(yes_no_rules.pope(text)),
        READINGS.index(yes_no_rules.strict(text)),
    )


def _side_by_side(
    asked: Iterator[Wanted], told: Iterator[Said], where: Path
) -> Iterator[tuple[Wanted, Said]]:
    """The same rows of both, as far as both have some; what is left over is an error."""
    wanted: Wanted | None = None
    said: Said | None = None
    rows = 0
    while True:
        wanted = next(asked, None) if wanted is None else wanted
        said = next(told, None) if said is None else said
        if wanted is None or said is None:
            break
        n = min(len(wanted.labels_N), len(said.which_N))
        rows += n
        yield (
            _rows(wanted, 0, n),
            Said(said.which_N[:n], said.texts, said.readings_2T),
        )
        wanted = _rows(wanted, n, None) if len(wanted.labels_N) > n else None
        left = said.which_N[n:]
        said = Said(left, said.texts, said.readings_2T) if len(left) else None
    if wanted is None and said is None:
        return
    more_asked = (len(wanted.labels_N) if wanted else 0) + sum(len(w.labels_N) for w in asked)
    more_told = (len(said.which_N) if said else 0) + sum(len(s.which_N) for s in told)
    raise UserError(
        f"There are {rows + more_told:,} answers to {rows + more_asked:,} questions.",
        str(where),
        "Answer each question once, in the order of the data; nothing is cut.",
    )


def _rows(wanted: Wanted, start: int, end: int | None) -> Wanted:
    images = Column(wanted.images.codes_N[start:end], wanted.images.texts)
    return Wanted(wanted.labels_N[start:end], wanted.groups_N[start:end], images)


def score_large(data: Sequence[Path], answers: Path, mode: Mode, items: Path) -> LargeScores | None:
    """Scores one large file of answers to one of questions, both JSON lines; None for any other.

    Raises:
        UserError: their numbers differ, a line can't be read, or the disk is full.
    """
    if len(data) != 1 or not data[0].is_file() or not answers.is_file():
        return None
    column = _answer_column(answers)
    if not column or not _starts(data[0], ("image", "label")):
        return None
    file = ItemFile(items.with_suffix(".parquet"))
    counted = count(data[0], answers, column, mode, file)
    file.close()
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
    with path.open("rb") as file:
        line = file.readline(PIECE)
    try:
        found: object = json.loads(line)
    except ValueError:
        return ()
    fields = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    foreign = {"doc", "target", "prediction", "category"} & fields.keys()
    return names if not foreign and all(isinstance(fields.get(n), str) for n in names) else ()
