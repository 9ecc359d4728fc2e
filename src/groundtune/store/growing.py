"""One more part of a record set, written some rows at a time; the rows are not kept."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# Reason: pyarrow ships no types.

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pyarrow.parquet as pq
from pydantic import BaseModel

from groundtune.store import checksums
from groundtune.store.dataset import RecordSet
from groundtune.store.files import sweep, whole_file
from groundtune.store.tables import arrow_schema, finite_table

R = TypeVar("R", bound=BaseModel)


@contextmanager
def growing_part(rows: RecordSet[R]) -> Generator[Callable[[Sequence[R]], None]]:
    """Yield a function that adds rows; the part is there, whole, when the block ends.

    Raises:
        UserError: a value is not finite, the disk is full or the folder can't be written.
    """
    sweep(rows.path)
    path = rows.next_part()
    schema = arrow_schema(rows.record_type)

    def add(some: Sequence[R]) -> None:
        writer.write_table(finite_table(some, rows.record_type, path))

    with whole_file(path) as file:
        with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
            yield add
        file.flush()
        checksums.note(path.parent, {path.name: checksums.sha256_of(Path(file.name))})
