"""The table of items of a large file of yes/no answers: written and compared in pieces.

A row is an answer: item (its row, from 1), image, answer, extracted (yes, no, unread), label and
outcome (tp, fp, fn, tn, unread). Texts are stored once per piece, so that a row takes a few bytes.
A comparison counts piece by piece: the outcomes per group of images, and the changed answers. That
takes one byte per answer of any length.

Images are grouped into at most 1,024 groups by a hash of their names, and the bootstrap resamples
the groups: an image's answers stay together, and with more images than groups the interval is
slightly too wide, never too narrow.

Shapes: N rows, G groups, O outcomes, T distinct texts.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# Reason: pyarrow ships no types.

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from groundtune.bench.files.columns import Column, codes_of, integer_array
from groundtune.bench.stats.sums import ALWAYS, SumTable
from groundtune.errors import UserError
from groundtune.records import Record, Score
from groundtune.store import checksums
from groundtune.store.files import whole_file

GROUPS = 1024
READINGS = ("yes", "no", "unread")
OUTCOMES = ("tp", "fp", "fn", "tn", "unread", "unread")
"""By code: reading x 2 + label, where the labels are yes 0 and no 1."""
RIGHT = np.array([1, 0, 0, 1, -1, -1], dtype=np.int8)
"""By outcome: whether the answer is right; -1 if unreadable."""
TEXTS = ("image", "answer", "extracted", "label", "outcome")
BATCHES = 16
"""Pieces per write."""
READ_AT_ONCE = 1 << 16
"""Rows per read."""
Small = NDArray[np.int8]


def groups_of(images: Sequence[str]) -> NDArray[np.int64]:
    """The group of each image (T,)."""
    marks = map(crc32, map(str.encode, images))
    return np.fromiter(marks, np.int64, len(images)) % GROUPS


def table_of_counts(counts_GO: NDArray[np.int64], items: frozenset[str], where: str) -> SumTable:
    """The sums per group of answers, from counts by outcome, for a bootstrap."""
    scored, total = counts_GO[:, :4].sum(1), counts_GO.sum(1)
    sums = np.column_stack([total, scored, total - scored, counts_GO[:, :4]])
    nonempty = np.flatnonzero(total)
    return SumTable(
        images=tuple(str(group) for group in nonempty),
        columns=(*ALWAYS, *OUTCOMES[:4]),
        sums_IC=sums[nonempty].astype(np.float64),
        items=items,
        where=where,
    )


class ItemFile:
    """The Parquet file of items, written piece by piece; it appears when the block ends."""

    def __init__(self, path: Path) -> None:
        coded = pa.dictionary(pa.int32(), pa.string())
        self.schema = pa.schema([("item", pa.int64()), *((name, coded) for name in TEXTS)])
        self.path = path
        self._batches: list[pa.RecordBatch] = []
        self._names = _texts([*READINGS, *OUTCOMES])

    def __enter__(self) -> Self:
        texts: Any = list(TEXTS)
        self._file = whole_file(self.path)
        self._open = self._file.__enter__()
        self._writer = pq.ParquetWriter(
            self._open,
            self.schema,
            use_dictionary=texts,
            column_encoding={"item": "DELTA_BINARY_PACKED"},
            write_statistics=False,
            write_page_checksum=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if kind is None:
            self._write()
        self._writer.close()
        if kind is None:
            self._open.flush()
            sums = {self.path.name: checksums.sha256_of(Path(self._open.name))}
            checksums.add_sums(self.path.parent, sums)
        self._file.__exit__(kind, error, at)

    def add(
        self, start: int, images: Column, answers: Column, labels_N: Small, outcomes_N: Small
    ) -> None:
        """Add rows after the first `start`."""
        rows = integer_array(np.arange(start + 1, start + 1 + len(outcomes_N)), pa.int64())
        columns = (
            (images.codes_N, _texts(images.texts)),
            (answers.codes_N, _texts(answers.texts)),
            (outcomes_N // 2, self._names[:3]),
            (labels_N, self._names[:2]),
            (outcomes_N, self._names[3:]),
        )
        coded = [
            pa.DictionaryArray.from_arrays(integer_array(codes, pa.int32()), names)
            for codes, names in columns
        ]
        self._batches.append(pa.record_batch([rows, *coded], schema=self.schema))
        if len(self._batches) == BATCHES:
            self._write()

    def _write(self) -> None:
        if self._batches:
            self._writer.write_table(pa.Table.from_batches(self._batches).unify_dictionaries())
        self._batches = []


def _texts(texts: Sequence[str]) -> Any:
    """An Arrow array of texts; `pa.array` would import pandas, which takes longer than a piece."""
    together = "".join(texts)
    sizes = texts if together.isascii() else [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, sizes)], dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(together.encode())]
    return pa.Array.from_buffers(pa.string(), len(texts), buffers)


class LargeItems(Record):
    """The file of a model's items, in place of the scores that a large file doesn't have."""

    path: Path
    model: str
    benchmark: str
    """With its mode, as in `Score.benchmark`."""
    decoding: str = "greedy"

    @property
    def key(self) -> str:
        """The same for the same file."""
        return str(self.path.resolve())

    @property
    def name(self) -> str:
        """The benchmark with the decoding, as in `Estimate.benchmark`."""
        return f"{self.benchmark}/{self.decoding}"


class LargeCounts(NamedTuple):
    """Counts of a file of items."""

    table: SumTable
    """Its `items` are one name, derived from the number and hash of the questions."""
    verdicts_N: Small
    """1 right, 0 wrong, -1 unread."""


def count_items(items: LargeItems) -> LargeCounts:
    """Count a file of items in one pass, piece by piece.

    Raises:
        UserError: it can't be read.
    """
    counts = np.zeros(GROUPS * 5, dtype=np.int64)
    question_hash, verdicts = hashlib.sha256(), list[Small]()
    for piece in _pieces(items.path, ("image", "label", "outcome")):
        images, labels, outcomes = piece["image"], piece["label"], piece["outcome"]
        groups_N = groups_of(images.texts)[images.codes_N]
        codes = np.array([OUTCOMES.index(text) for text in outcomes.texts], dtype=np.int8)
        outcomes_N = codes[outcomes.codes_N]
        no_N = np.array([text == "no" for text in labels.texts])[labels.codes_N]
        question_hash.update(np.column_stack([groups_N, no_N]).astype(np.int16).tobytes())
        counts += np.bincount(groups_N * 5 + outcomes_N, minlength=len(counts))
        verdicts.append(RIGHT[outcomes_N])
    verdicts_N = np.concatenate(verdicts)
    name = f"{len(verdicts_N):,} answers to the questions {question_hash.hexdigest()[:8]}"
    where = f"{items.model}, {items.name}"
    return LargeCounts(
        table_of_counts(counts.reshape(GROUPS, 5), frozenset([name]), where), verdicts_N
    )


def scores_of(items: LargeItems, rows: Sequence[int]) -> list[Score]:
    """The score records of the given rows (from 0, sorted), for a report."""
    scores: list[Score] = []
    start, row_numbers = 0, np.array(rows, dtype=np.int64)
    for piece in _pieces(items.path, TEXTS):
        n = len(piece["answer"].codes_N)
        offsets = row_numbers[(row_numbers >= start) & (row_numbers < start + n)] - start
        for at in offsets.tolist():
            texts = {name: column.texts[column.codes_N[at]] for name, column in piece.items()}
            scores.append(_score(items, start + at + 1, texts))
        start += n
    return scores


def _score(items: LargeItems, item: int, texts: Mapping[str, str]) -> Score:
    outcome, reading, truth = texts["outcome"], texts["extracted"], texts["label"]
    unread = reading == "unread"
    return Score(
        key=f"{items.key}:{item}",
        benchmark=items.benchmark,
        item=str(item),
        image=texts["image"],
        model=items.model,
        decoding=items.decoding,
        answer=texts["answer"],
        values={} if unread else {outcome: 1.0},
        extracted=() if unread else (reading,),
        why="neither yes nor no can be read" if unread else "" if reading == truth else truth,
        strata={"label": truth},
        status="unparsed" if unread else "scored",
    )


def texts_of(items: LargeItems) -> Iterator[tuple[list[str], NDArray[np.int64], int]]:
    """Per piece: the distinct answers, the count of each, and the number of unreadable ones."""
    for piece in _pieces(items.path, ("answer", "extracted")):
        answers, readings = piece["answer"], piece["extracted"]
        unread = np.array([text == "unread" for text in readings.texts])[readings.codes_N].sum()
        times_T = np.bincount(answers.codes_N, minlength=len(answers.texts))
        yield answers.texts, times_T, int(unread)


def _pieces(path: Path, names: Sequence[str]) -> Iterator[dict[str, Column]]:
    checksums.refuse_damage(path)
    try:
        file = pq.ParquetFile(path, read_dictionary=list(names), page_checksum_verification=True)
        for batch in file.iter_batches(READ_AT_ONCE, columns=list(names)):
            columns = {name: batch.column(name) for name in names}
            yield {
                name: Column(codes_of(column), column.dictionary.to_pylist())
                for name, column in columns.items()
            }
    except (OSError, KeyError, pa.ArrowException) as error:
        raise UserError(
            f"The table of items can't be read: {error}.", str(path), "Score the answers again."
        ) from error
