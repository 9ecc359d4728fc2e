"""POPE over large files: the same numbers as `pope.py` gives, with memory that doesn't grow.

Questions and answers are read side by side in pieces (`columns.py`), each different answer of a
piece is read once, and only outcomes are counted. Pictures are brought into at most 1,024 groups by
a hash of their names, and the bootstrap resamples these: a picture's answers stay together, and
the interval is a little wide where there are more pictures than groups, never too narrow.

The items are a Parquet file (row, answer, extracted, label, outcome); there are no Score records.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# Reason: pyarrow ships no types.

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from groundtune.bench import yes_no_rules
from groundtune.bench.columns import PIECE, Piece, pieces
from groundtune.bench.official import MODES, LargeScores, Mode
from groundtune.bench.stats import ALWAYS, Table
from groundtune.errors import UserError
from groundtune.store.files import disk_error

GROUPS = 1024
OUTCOMES = ("tp", "fp", "fn", "tn", "unread", "unread")
"""By code: reading x 2 + label, where the labels are yes 0 and no 1."""
READINGS: tuple[yes_no_rules.YesNo, ...] = ("yes", "no", "unread")
BATCHES = 16
"""Pieces that are written together."""
KEPT = 1 << 17
"""Different answers whose readings are remembered."""
Small = NDArray[np.int8]


class Said(NamedTuple):
    """Answers of some rows: which of the different texts each is."""

    which_N: NDArray[np.int32]
    texts: list[str]
    readings_2T: Small
    """By mode (official, strict), then text: a code of READINGS."""


class Wanted(NamedTuple):
    """Labels (0 yes, 1 no) and groups of pictures of some rows."""

    labels_N: Small
    groups_N: NDArray[np.int64]


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
        scored, asked = counts[:, :4].sum(1), counts.sum(1)
        sums = np.column_stack([asked, scored, asked - scored, counts[:, :4]])
        there = np.flatnonzero(asked)
        return Table(
            images=tuple(str(group) for group in there),
            columns=(*ALWAYS, *OUTCOMES[:4]),
            sums_IC=sums[there].astype(np.float64),
            items=frozenset(),
            where="pope",
        )

    def _of(self, mode: Mode) -> NDArray[np.int64]:
        return self.counts_2GO[MODES.index(mode)]


def count(questions: Path, answers: Path, column: str, items: "ItemFile") -> Counted:
    """Counts all answers of a file of JSON lines beside a file of questions.

    Raises:
        UserError: their numbers differ, or a line can't be read.
    """
    counted = Counted()
    asked = (_wanted(piece) for piece in pieces(questions, ("image", "label")))
    told = _said(pieces(answers, (column,)), column)
    for wanted, said in _side_by_side(asked, told, answers):
        outcomes_2N = said.readings_2T[:, said.which_N] * np.int8(2) + wanted.labels_N
        for mode in (0, 1):
            places = wanted.groups_N * len(OUTCOMES) + outcomes_2N[mode]
            found = np.bincount(places, minlength=GROUPS * len(OUTCOMES))
            counted.counts_2GO[mode] += found.reshape(GROUPS, len(OUTCOMES))
        items.add(counted.n, said, wanted, outcomes_2N)
        counted.n += len(said.which_N)
    return counted


def _wanted(piece: Piece) -> Wanted:
    labels, images = piece["label"], piece["image"]
    no = np.array([text == "no" for text in labels.texts], dtype=np.int8)
    marks = map(crc32, map(str.encode, images.texts))
    groups = np.fromiter(marks, np.int64, len(images.texts)) % GROUPS
    return Wanted(no[labels.codes_N], groups[images.codes_N])


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
    return Wanted(wanted.labels_N[start:end], wanted.groups_N[start:end])


class ItemFile:
    """The Parquet file of items, written piece by piece; it is whole once it is closed."""

    def __init__(self, path: Path, mode: Mode) -> None:
        coded = pa.dictionary(pa.int32(), pa.string())
        fields = [(name, coded) for name in ("answer", "extracted", "label", "outcome")]
        coded_columns: Any = [name for name, _ in fields]
        self.schema = pa.schema([("item", pa.int64()), *fields])
        self.mode = MODES.index(mode)
        self.path = path
        self._batches: list[pa.RecordBatch] = []
        self._names = pa.array([*READINGS, *OUTCOMES], pa.string())
        self._temporary = path.parent / f".{path.name}.tmp"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(
                self._temporary,
                self.schema,
                use_dictionary=coded_columns,
                column_encoding={"item": "DELTA_BINARY_PACKED"},
                write_statistics=False,
            )
        except OSError as error:
            raise disk_error(error, path) from error

    def add(self, done: int, said: Said, wanted: Wanted, outcomes_2N: Small) -> None:
        """Rows after the first `done`."""
        outcomes = outcomes_2N[self.mode]
        rows = _integers(np.arange(done + 1, done + 1 + len(outcomes)), pa.int64())
        columns = (
            (said.which_N, pa.array(said.texts, pa.string())),
            (outcomes // 2, self._names[:3]),
            (wanted.labels_N, self._names[:2]),
            (outcomes, self._names[3:]),
        )
        coded = [
            pa.DictionaryArray.from_arrays(_integers(codes, pa.int32()), names)
            for codes, names in columns
        ]
        self._batches.append(pa.record_batch([rows, *coded], schema=self.schema))
        if len(self._batches) == BATCHES:
            self._write()

    def _write(self) -> None:
        if self._batches:
            self._writer.write_table(pa.Table.from_batches(self._batches).unify_dictionaries())
        self._batches = []

    def close(self) -> None:
        """Makes the file whole, under its own name."""
        self._write()
        self._writer.close()
        self._temporary.rename(self.path)


def _integers(codes: NDArray[Any], kind: Any) -> Any:
    """An Arrow array over numpy's memory; `pa.array` would look for pandas at each call."""
    held = np.ascontiguousarray(codes, dtype=kind.to_pandas_dtype())
    return pa.Array.from_buffers(kind, len(held), [None, pa.py_buffer(held)])


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
    file = ItemFile(items.with_suffix(".parquet"), mode)
    counted = count(data[0], answers, column, file)
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
