"""What defines a layout: how to read one of its rows, and how to write one.

`reading` and `writing` do the rest for every layout: files, images, records, bad rows. A row is
read into a `Content`; columns without a field in it are stored with the pair (`saved`).
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
"""An image in a Parquet column, in the format of `datasets`."""


class LayoutError(Exception):
    """A row or pair that doesn't fit a layout: the reason, and the column if it is in one."""

    def __init__(self, what: str, column: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.column = column


class RowImage(NamedTuple):
    """An image of a row: its path, its file's bytes, or both."""

    path: str | None
    data: bytes | None = None


class Turn(NamedTuple):
    """A message; each None in `pieces` stands for the row's next image."""

    role: Role
    pieces: tuple[str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The content of one row."""

    turns: tuple[Turn, ...]
    """The prompt. The last turn is the user's."""
    images: tuple[RowImage, ...]
    """One per None in `turns`, in order."""
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
    """The producer of the rejected answer, if known; for exporting our pairs."""
    kind: str = ""
    """The prompt's kind in its source; for exporting our pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files of a layout."""

    name: str
    """Name on the command line."""
    title: str
    """Name in errors, as its authors write it."""
    endings: tuple[str, ...]
    """File endings. Parquet holds images as bytes; JSON, as lines or a list, names them."""
    tables: tuple[str, ...] = ()
    """File endings of tables, whose cells name images."""
    headers: tuple[str, ...] = ()
    """Headers of a new table."""
    columns: Mapping[str, pa.DataType] = field(default_factory=dict[str, pa.DataType])
    """Required columns of a Parquet file."""
    images: frozenset[str] = frozenset()
    """Columns of a Parquet file that hold images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout(Files):
    """A layout whose rows are one pair each."""

    parse: Callable[[Fields], Content]
    """Read a row. Raises LayoutError."""
    render: Callable[[Content, Sequence[str]], dict[str, Any]]
    """Write a row with the given columns; without columns, a complete new row. Raises
    LayoutError."""
    dataset: str = ""
    """The published data set with this layout, if any."""
    licence: str = ""
    """Licence of the published set."""
    schema: Callable[[Sequence[str]], Mapping[str, pa.DataType]] | None = None
    """Columns of a new Parquet file, if they depend on the original columns of its rows."""
    numbers: Literal["", "ratings", "severities"] = ""
    """Which numbers of a pair the layout can hold."""
    scores: frozenset[str] = frozenset()
    """Columns of `schema` that are written only if a pair has such numbers."""
    ending: str = ""
    """Ending of every image's name, if the layout fixes it: such names have no folder."""
    stale: frozenset[str] = frozenset()
    """Columns that are wrong after a text was changed."""
    folders: tuple[str, ...] = ()
    """Folders below the images' folder in which the authors' code also looks for them."""
    keyed_by: str = ""
    """Column for the keys, if a JSON file may also be one object of rows by key."""
    split: Callable[[Fields], Sequence[Fields]] | None = None
    """Split a row into rows of one pair each. Raises LayoutError."""
    leaves_out: Callable[[Fields], str] | None = None
    """Why the layout's own code makes no pair of a row; "" if it makes one."""
    translate: Callable[[Path], Callable[[Fields], Fields]] | None = None
    """For a file, return the function that renames its rows' columns to the layout's. The first
    call raises UserError, the second LayoutError."""
    arrange: Callable[[Path, Iterator[Fields]], Iterator[Fields]] | None = None
    """For a JSON file to write, join rows of one pair each to rows of several. Raises UserError."""
    writes_keyed: Callable[[Path], bool] | None = None
    """Whether a JSON file becomes one object of rows by `keyed_by`; without it, none does."""
    extra_files: Callable[[Path, Sequence[str]], Sequence[tuple[Path, bytes]]] | None = None
    """Extra files for a file of rows, given its path and columns. Raises UserError."""


def ratings_of(pair: Pair) -> tuple[float | None, float | None]:
    """The ratings of chosen and rejected, higher is better; minus the severities if absent."""
    ratings = pair.chosen_rating, pair.rejected_rating
    if ratings != (None, None):
        return ratings
    return _minus(pair.chosen_severity), _minus(pair.rejected_severity)


def _minus(severity: float | None) -> float | None:
    return None if severity is None else 0.0 - severity  # never -0.0


class Batch(NamedTuple):
    """Several rows of a file, in order, and the errors of skipped rows.

    Each prompt is once in a batch, but may come again in a later one.
    """

    prompts: tuple[Prompt, ...]
    pairs: tuple[Pair, ...]
    skipped: tuple[UserError, ...]
    rows: int
    left_out: Mapping[str, int] = MappingProxyType({})
    """Number of rows without a pair in this layout, by reason."""
    by_row: Mapping[int, Sequence[Prompt | Pair]] = MappingProxyType({})
    """Records of each row, by its number in the file, from 0."""


class ExportResult(NamedTuple):
    """Number of exported rows, and the licences that forbid their commercial use."""

    rows: int
    non_commercial: tuple[str, ...]


class Format(Protocol):
    """Reads and writes whole files in a layout."""

    def row_count(self, path: Path) -> int | None:
        """Number of rows of a file; None if it has to be read to count.

        Raises UserError as `read`.
        """
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
        """Yield the file's pairs with prompts, in batches; images go into `images`.

        A batch has `rows` rows, or as many as suit the kind of file.

        Image paths are relative to `folder`, or to the file's folder. `licence` replaces the file's
        licence, or adds a missing one.

        Raises:
            UserError: the file can't be read; or, naming file and row, a row is bad. With
                `skip_bad` such a row is skipped, and its error is in `skipped`.
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
    ) -> ExportResult:
        """Write the pairs, which are iterated twice, to one file, completely or not at all.

        Unchanged pairs that `read` imported from this layout become their original rows. `models`
        has the producers of answers, by the answer's key.

        Raises:
            UserError: a pair's prompt or image is missing, or the layout can't hold it; the disk
                is full; the folder can't be written.
        """
        ...
