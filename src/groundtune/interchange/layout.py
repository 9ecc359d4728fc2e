"""What a layout is: how one of its rows is read, and how one is written.

`reading` and `writing` do the rest for every layout: files, images, records, bad rows. What a row
says is its `Content`; columns that it has no place for stay with the pair (`saved`).
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# Reason: pyarrow ships no types.

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

import pyarrow as pa

from groundtune.errors import UserError
from groundtune.records import Pair, Prompt
from groundtune.store.images import ImageStore
from groundtune.store.rows import Fields

Role = Literal["system", "user", "assistant"]

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""An image in a Parquet column, as `datasets` stores it."""


class Refused(Exception):
    """A row, or a pair, that a layout can't hold: what is wrong, and in which column if in one."""

    def __init__(self, what: str, column: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.column = column


class RowImage(NamedTuple):
    """An image as a row has it: its path, its file's bytes, or both."""

    path: str | None
    data: bytes | None = None


class Turn(NamedTuple):
    """A message; each None in `pieces` stands for the row's next image."""

    role: Role
    pieces: tuple[str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What one row says."""

    turns: tuple[Turn, ...]
    """The prompt. The last turn is the user's."""
    images: tuple[RowImage, ...]
    """One for each None in `turns`, in order."""
    chosen: str
    rejected: str
    chosen_rating: float | None = None
    rejected_rating: float | None = None
    chosen_severity: float | None = None
    rejected_severity: float | None = None
    further: tuple[RowImage, ...] = ()
    """Images that are in the row, but not in the prompt."""
    dataset: str = ""
    row: str = ""
    """The row's own id."""
    model: str = ""
    """Who gave the rejected answer, where that is known of a pair of our own."""
    kind: str = ""
    """The prompt's kind in its source, for a pair of our own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What a layout's files are."""

    name: str
    """As on the command line."""
    title: str
    """As its authors write it, for errors."""
    endings: tuple[str, ...]
    """Of its files. Parquet holds images as bytes; JSON, as lines or a list, names them."""
    tables: tuple[str, ...] = ()
    """Endings of its files that are tables, whose cells name images."""
    headers: tuple[str, ...] = ()
    """Of a new table."""
    columns: Mapping[str, pa.DataType] = field(default_factory=dict[str, pa.DataType])
    """What a Parquet file must have."""
    images: frozenset[str] = frozenset()
    """Columns of a Parquet file that hold images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout(Files):
    """A layout whose rows are one pair each."""

    parse: Callable[[Fields], Content]
    """What a row says. Raises Refused."""
    render: Callable[[Content, Sequence[str]], dict[str, Any]]
    """A row that says it, with the columns given if it had some before, else a whole new one.
    Raises Refused."""
    dataset: str = ""
    """The published set, where the layout is that of one."""
    licence: str = ""
    """Of the published set."""
    schema: Callable[[Sequence[str]], Mapping[str, pa.DataType]] | None = None
    """Columns that a Parquet file gets, where they depend on those that its rows had."""
    numbers: Literal["", "ratings", "severities"] = ""
    """Which numbers of a pair the layout has a place for."""
    scores: frozenset[str] = frozenset()
    """Columns of `schema` that are there only if a pair has such numbers."""
    ending: str = ""
    """Of every image's name, where the layout says so: such names have no folder."""
    stale: frozenset[str] = frozenset()
    """Columns that are wrong once a text was changed."""
    folders: tuple[str, ...] = ()
    """Folders below that of the images in which the authors' code looks for them too."""
    keyed_by: str = ""
    """Column of the keys, where a JSON file may also be one object of rows by key."""
    split: Callable[[Fields], Sequence[Fields]] | None = None
    """The rows of one pair each that a row stands for. Raises Refused."""
    leaves_out: Callable[[Fields], str] | None = None
    """Why the layout's own code makes no pair of a row; "" if it does."""
    translate: Callable[[Path], Callable[[Fields], Fields]] | None = None
    """For a file: what makes its rows ones of the layout, where they may have other names. The
    first call raises UserError, the second Refused."""
    beside: Callable[[Path, Sequence[str]], Sequence[tuple[Path, bytes]]] | None = None
    """Files that are written beside a file of rows, of its path and columns. Raises UserError."""


def ratings_of(pair: Pair) -> tuple[float | None, float | None]:
    """The ratings of chosen and rejected, higher is better; of severities alone, minus these."""
    ratings = pair.chosen_rating, pair.rejected_rating
    if ratings != (None, None):
        return ratings
    return _minus(pair.chosen_severity), _minus(pair.rejected_severity)


def _minus(severity: float | None) -> float | None:
    return None if severity is None else 0.0 - severity  # never -0.0


class Batch(NamedTuple):
    """Some rows of a file, in order, and the errors of those left out.

    The prompts are each once in a batch, but may come again in a later one.
    """

    prompts: tuple[Prompt, ...]
    pairs: tuple[Pair, ...]
    skipped: tuple[UserError, ...]
    rows: int
    left_out: Mapping[str, int] = MappingProxyType({})
    """Rows of which the layout makes no pair, by reason."""
    by_row: Mapping[int, Sequence[Prompt | Pair]] = MappingProxyType({})
    """What each row gave, by its number in the file, from 0."""


class Written(NamedTuple):
    """What was exported: rows, and the licences that forbid commercial use of them."""

    rows: int
    non_commercial: tuple[str, ...]


class Format(Protocol):
    """What every layout does with whole files."""

    def row_count(self, path: Path) -> int | None:
        """Rows of a file; None where only reading it would tell. Raises UserError as `read`."""
        ...

    def read(
        self,
        path: Path,
        images: ImageStore,
        *,
        folder: Path | None = None,
        licence: str | None = None,
        skip_bad: bool = False,
        rows: int = ...,
    ) -> Iterator[Batch]:
        """The file's pairs with their prompts, `rows` at a time; images go into `images`.

        Paths of images are taken from `folder`, or from the file's own. `licence` is that of the
        rows, where the file doesn't tell or tells wrongly.

        Raises:
            UserError: the file can't be read; or, naming file and row, a row is bad. With
                `skip_bad` such a row is left out and its error is in `skipped`.
        """
        ...

    def write(
        self,
        path: Path,
        pairs: Iterable[Pair],
        prompts: Mapping[str, Prompt],
        images: ImageStore,
        *,
        models: Mapping[str, str] | None = None,
    ) -> Written:
        """Writes the pairs, which are gone through twice, to one file, whole or not at all.

        Pairs that `read` made of this layout give their rows back, unless they were changed.
        `models` names who gave an answer, by the answer's key.

        Raises:
            UserError: a pair's prompt or image is missing, or the layout can't hold it; the disk
                is full; the folder can't be written.
        """
        ...
