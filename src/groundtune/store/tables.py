"""Conversion of records to Arrow tables and Parquet files and back.

The Arrow schema follows from the record's annotations (`arrow_values.py`).
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingTypeStubs=false
# Reason: pyarrow ships no types.

import hashlib
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from groundtune.errors import UserError
from groundtune.store import checksums
from groundtune.store.arrow_values import arrow_schema, encoders, struct_decoder
from groundtune.store.files import refuse_special, write_atomic
from groundtune.store.plain_rows import plain_rows, refuse_not_finite, refuse_repeated_columns

R = TypeVar("R", bound=BaseModel)


def to_table(rows: Iterable[R], record_type: type[R]) -> pa.Table:
    """One row per record, in order."""
    columns = {
        name: [encode(getattr(row, name)) for row in rows]
        for rows in [list(rows)]
        for name, encode in encoders(record_type)
    }
    return pa.table(columns, schema=arrow_schema(record_type))


def from_table(table: pa.Table, record_type: type[R], *, where: str = "table") -> list[R]:
    """The records of a table, validated. A column whose field has a default may be absent.

    Raises:
        UserError: a missing, unknown or wrongly typed column, or a row that the record refuses; the
        error names `where`.
    """
    table = _conform(table, record_type, where)
    plain = map(struct_decoder(record_type), plain_rows(table, where))
    rows: list[R] = []
    for number, values in enumerate(plain):
        try:
            rows.append(record_type.model_validate(values))
        except ValidationError as error:
            first = error.errors()[0]
            column = ".".join(str(part) for part in first["loc"])
            raise UserError(
                f"Row {number}, column {column or '(row)'}: {first['msg']}.",
                where,
                f"Fix or remove the row; it must be a valid {record_type.__name__}.",
            ) from error
    return rows


def read_parquet(path: Path, record_type: type[R]) -> list[R]:
    """The records of one Parquet file.

    Raises:
        UserError: no such file, not Parquet, or a column or row that does not fit (named).
    """
    return from_table(read_table(path), record_type, where=str(path))


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A Parquet file, or some of its columns, without conversion.

    Pages are checked against their checksums, and the file against its own if its folder records
    one (`store.checksums`).

    Raises:
        UserError: no such file, not Parquet, or damaged.
    """
    with _opened(path) as file:
        return file.read(columns=None if columns is None else list(columns))


def column_names(path: Path) -> list[str]:
    """Return the names of a Parquet file's columns; reads no rows.

    Raises:
        UserError: no such file, or not Parquet.
    """
    with _opened(path) as file:
        return list(file.schema_arrow.names)


@contextmanager
def _opened(path: Path) -> Generator[pq.ParquetFile, None, None]:
    refuse_special(path)
    try:
        checksums.refuse_damage(path)
        file = pq.ParquetFile(path, page_checksum_verification=True)
        refuse_repeated_columns(file.schema_arrow.names, path)
        yield file
    except FileNotFoundError as error:
        raise UserError("The file doesn't exist.", str(path), "Check the path.") from error
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            "The file can't be read as Parquet.",
            str(path),
            "Check that the .parquet file is complete, or copy it again.",
        ) from error


def read_rows(path: Path, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The rows of a Parquet file of any layout, or some of its columns, as plain dicts.

    Raises:
        UserError: no such file, or not Parquet.
    """
    return plain_rows(read_table(path, columns), str(path))


def read_column(path: Path, name: str) -> list[Any]:
    """One column of a Parquet file; reads no other.

    Raises:
        UserError: no such file, not Parquet, or no such column.
    """
    return [row[name] for row in read_fields(path, [name])]


def read_fields(path: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """Rows with these columns alone, as plain dicts; "a.b" is the field b of the records in a.

    Raises:
        UserError: no such file, not Parquet, or a column is missing.
    """
    table = read_table(path, names)
    for name in names:
        if name.partition(".")[0] not in table.column_names:
            raise UserError(
                f"The column {name!r} is missing.", str(path), "Use a file that has this column."
            )
    return plain_rows(table, str(path))


def write_parquet(
    path: Path, rows: Iterable[R], record_type: type[R], *, checksum: bool = False
) -> None:
    """Write the records to one file, completely or not at all.

    Its pages have checksums; with `checksum`, its folder also records the file's own.

    Raises:
        UserError: a value is not a number (NaN or infinite), the disk is full, or the folder can't
            be written.
    """
    buffer = BytesIO()
    table = finite_table(rows, record_type, path)
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    data = buffer.getvalue()
    if checksum:
        checksums.add_sums(path.parent, {path.name: hashlib.sha256(data).hexdigest()})
    write_atomic(path, data)


def finite_table(rows: Iterable[R], record_type: type[R], path: Path) -> pa.Table:
    """Convert records to a table for a file.

    Raises:
        UserError: a value is not a number (NaN or infinite).
    """
    table = to_table(rows, record_type)
    refuse_not_finite(table, path)
    return table


def _conform(table: pa.Table, record_type: type[BaseModel], where: str) -> pa.Table:
    """Convert the table to the record's columns and types."""
    fields = record_type.model_fields
    table = _without_retired(table, record_type, where)
    required = [name for name, field in fields.items() if field.is_required()]
    if missing := [name for name in required if name not in table.column_names]:
        raise UserError(
            f"The column {missing[0]!r} is missing.",
            where,
            f"A table of {record_type.__name__} rows needs the columns {', '.join(required)}.",
        )
    if unknown := [name for name in table.column_names if name not in fields]:
        raise UserError(
            f"The column {unknown[0]!r} is unknown.",
            where,
            f"A table of {record_type.__name__} rows has the columns {', '.join(fields)}.",
        )
    for index, name in enumerate(table.column_names):
        column = _cast(table.column(name), arrow_schema(record_type).field(name), where)
        table = table.set_column(index, name, column)
    return table


def _without_retired(table: pa.Table, record_type: type[BaseModel], where: str) -> pa.Table:
    """The table without columns of earlier versions; such a column with values is an error."""
    retired: Mapping[str, str] = getattr(record_type, "RETIRED", {})
    names = [name for name in table.column_names if name in retired]
    for name in names:
        if table.column(name).null_count < table.num_rows:
            raise UserError(
                f"The column {name!r} is from an earlier version and can't be read any more.",
                where,
                retired[name],
            )
    return table.drop_columns(names)


def _cast(column: pa.ChunkedArray, field: pa.Field, where: str) -> pa.ChunkedArray:
    """The column in the field's type; text and numbers are never converted to each other."""
    field = field.with_type(_narrowed(field.type, column.type))
    if column.type.equals(field.type):
        return column
    text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    scalar = not pa.types.is_nested(field.type) and not pa.types.is_null(column.type)
    try:
        if scalar and text != pa.types.is_string(field.type):
            raise pa.ArrowTypeError("text and numbers do not mix")
        return column.cast(field.type)
    except pa.ArrowException as error:
        raise UserError(
            f"The column {field.name!r} is {column.type}, not {field.type}.",
            where,
            "Convert the column to that type.",
        ) from error


def _narrowed(target: pa.DataType, actual: pa.DataType) -> pa.DataType:
    """The target type without absent struct fields, as in a file of an earlier version.

    The record sets their defaults, and refuses rows that lack a required field.
    """
    if pa.types.is_list(target) and pa.types.is_list(actual):
        item = target.value_field
        return pa.list_(item.with_type(_narrowed(item.type, actual.value_type)))
    if not (pa.types.is_struct(target) and pa.types.is_struct(actual)):
        return target
    names = {actual.field(place).name for place in range(actual.num_fields)}
    fields = [target.field(place) for place in range(target.num_fields)]
    return pa.struct(
        [
            field.with_type(_narrowed(field.type, actual.field(field.name).type))
            for field in fields
            if field.name in names
        ]
    )
