"""Parts of a record set that don't fit in memory: written in chunks; distinct rows of columns."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# Reason: pyarrow ships no types.

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pyarrow.parquet as pq
from pydantic import BaseModel

from groundtune.errors import UserError
from groundtune.store import checksums
from groundtune.store.arrow_values import arrow_schema
from groundtune.store.dataset import RecordSet
from groundtune.store.files import sweep, whole_file
from groundtune.store.tables import finite_table, read_table

R = TypeVar("R", bound=BaseModel)


@contextmanager
def open_growing_part(rows: RecordSet[R]) -> Generator[Callable[[Sequence[R]], None]]:
    """Yield a function that adds rows; the complete part exists when the block ends.

    Raises:
        UserError: a value is not finite, the disk is full or the folder can't be written.
    """
    sweep(rows.path)
    path = rows.next_part()
    schema = arrow_schema(rows.record_type)

    def add(chunk: Sequence[R]) -> None:
        writer.write_table(finite_table(chunk, rows.record_type, path))

    with whole_file(path) as file:
        with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
            yield add
        file.flush()
        checksums.add_sums(path.parent, {path.name: checksums.sha256_of(Path(file.name))})


def read_distinct(path: Path, names: Sequence[str]) -> list[tuple[Any, ...]]:
    """The distinct rows of some columns of a Parquet file.

    Raises:
        UserError: no such file, not Parquet, or no such column.
    """
    table = read_table(path, names)
    if missing := [name for name in names if name not in table.column_names]:
        raise UserError(
            f"The column {missing[0]!r} is missing.", str(path), "Use a file that has this column."
        )
    rows = table.group_by(list(names)).aggregate([]).to_pylist()
    return [tuple(row[name] for name in names) for row in rows]
