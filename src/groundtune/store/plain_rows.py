"""Rows of Parquet tables as plain dicts, and checks for values that rows can't hold."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingTypeStubs=false
# Reason: pyarrow ships no types.

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from groundtune.errors import UserError


def plain_rows(table: pa.Table | pa.RecordBatch, where: str) -> list[dict[str, Any]]:
    """Rows as plain dicts.

    UserError
    """
    try:
        return table.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError) as error:
        names = [name for name in table.column_names if not _is_plain(table.column(name))]
        raise UserError(
            f"The column {', '.join(map(repr, names))} has a value that can't be read: {error}.",
            where,
            "Write the column as UTF-8 text, numbers or lists of these.",
        ) from error


def _is_plain(column: pa.ChunkedArray | pa.Array) -> bool:
    try:
        column.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError):
        return False
    return True


def refuse_repeated_columns(names: Sequence[str], path: Path) -> None:
    """Refuse a file with several columns of the same name, as a row could hold only one.

    Raises:
        UserError: there are such columns.
    """
    repeated = sorted(name for name, number in Counter(names).items() if number > 1)
    if repeated:
        raise UserError(
            f"Several columns are named {', '.join(map(repr, repeated))}.",
            str(path),
            "Give each column a different name.",
        )


def refuse_not_finite(table: pa.Table, path: Path) -> None:
    """Refuse NaN and infinity: an unknown value is null.

    Raises:
        UserError: a record has one, which is a bug where it was computed.
    """
    for name, column in zip(table.column_names, table.columns, strict=True):
        for values in column.chunks:
            if not _is_finite(values):
                raise UserError(
                    f"The column {name} holds a value that is not a number (NaN or infinite).",
                    str(path),
                    "Please report this with the command: an unknown value should be null, with "
                    "its reason.",
                )


def _is_finite(values: pa.Array) -> bool:
    """Whether all numbers of an array are finite, also inside lists, maps and structs."""
    if pa.types.is_floating(values.type):
        compute: Any = pc  # defines its functions at run time
        return compute.all(compute.is_finite(values)).as_py() is not False
    if pa.types.is_struct(values.type):
        return all(map(_is_finite, values.flatten()))
    if pa.types.is_map(values.type):
        return _is_finite(values.items)
    return _is_finite(values.flatten()) if pa.types.is_list(values.type) else True
