"""Parquet files with required columns, read and written in chunks.

Data sets with images inside don't fit into memory, so reading and writing hold only one batch.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingTypeStubs=false
# Reason: pyarrow ships no types.

import logging
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from groundtune.errors import UserError
from groundtune.interchange.parquet_checksum import add_checksum, refuse_damaged_export
from groundtune.store.files import refuse_special, whole_file
from groundtune.store.plain_rows import plain_rows, refuse_repeated_columns

ROWS = 64
"""Rows in memory at a time, and per row group of a new file."""

_BUFFER_BYTES = 2**20

log = logging.getLogger(__name__)


def open_columns(
    path: Path, columns: Mapping[str, pa.DataType], layout: str, *, others: bool = False
) -> pq.ParquetFile:
    """Open a file, after checking that its schema has the columns in fitting types.

    `layout` is the layout's name for errors. Further columns cause a warning, unless `others`
    allows them.

    Raises:
        UserError: no such file, not Parquet, damaged since it was exported, or a column is missing
            or of another type.
    """
    refuse_special(path)
    try:
        refuse_damaged_export(path)
        # Without these two, a whole row group is read at once, which may be the whole file.
        file = pq.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False)
    except FileNotFoundError as error:
        raise UserError("The file doesn't exist.", str(path), "Check the path.") from error
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path) from error
    schema = file.schema_arrow
    refuse_repeated_columns(schema.names, path)
    for name, data_type in columns.items():
        if name not in schema.names:
            raise UserError(
                f"The column {name!r} is missing.",
                str(path),
                f"Add it; the {layout} layout has the columns {', '.join(columns)}.",
            )
        if not _fits(schema.field(name).type, data_type):
            raise UserError(
                f"The column {name!r} is {schema.field(name).type}, not {data_type}.",
                str(path),
                f"Convert the column to the type that the {layout} layout has.",
            )
    more = [name for name in schema.names if name not in columns]
    if more and not others:
        log.warning(
            "%s: the %s layout has no such columns; check their names: %s", path, layout, more
        )
    return file


def batches(
    file: pq.ParquetFile, path: Path, columns: Iterable[str], rows: int = ROWS
) -> Iterator[list[dict[str, Any]]]:
    """The file's rows as plain dicts, at most `rows` at a time.

    Raises:
        UserError: a later part of the file is damaged.
    """
    iterator = file.iter_batches(batch_size=rows, columns=list(columns), use_threads=False)
    while True:
        try:
            batch = next(iterator, None)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path) from error
        if batch is None:
            return
        yield plain_rows(batch, str(path))


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> int:
    """Write the rows to one file, completely or not at all, a row group of ROWS at a time.

    The file has a checksum (`parquet_checksum`). Return the number of rows.

    Raises:
        UserError: the disk is full or the folder can't be written.
    """
    remaining, number = iter(rows), 0
    with whole_file(path) as file:
        with pq.ParquetWriter(file, schema) as writer:
            while chunk := list(islice(remaining, ROWS)):
                writer.write_table(pa.Table.from_pylist(chunk, schema=schema))
                number += len(chunk)
        add_checksum(file)
    return number


def _fits(actual: pa.DataType, expected: pa.DataType) -> bool:
    """Whether values of `actual` are values of `expected`: large strings are strings, say."""
    if pa.types.is_null(actual):
        return True
    if pa.types.is_struct(expected):
        return pa.types.is_struct(actual) and all(
            actual.get_field_index(field.name) >= 0
            and _fits(actual.field(field.name).type, field.type)
            for field in expected
        )
    if pa.types.is_string(expected):
        return pa.types.is_string(actual) or pa.types.is_large_string(actual)
    if pa.types.is_binary(expected):
        return pa.types.is_binary(actual) or pa.types.is_large_binary(actual)
    if pa.types.is_integer(expected):
        return pa.types.is_signed_integer(actual)
    return bool(actual.equals(expected))


def _damaged(path: Path) -> UserError:
    return UserError(
        "The file can't be read as Parquet.",
        str(path),
        "Check that the .parquet file is complete, or copy it again.",
    )
