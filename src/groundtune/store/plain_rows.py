"""Rows of Parquet files as plain dicts, and what no dict can hold."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingTypeStubs=false
# Reason: pyarrow ships no types.

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from groundtune.errors import UserError


def plain_rows(table: pa.Table | pa.RecordBatch, where: str) -> list[dict[str, Any]]:
    """Rows as plain dicts.

    Raises:
        UserError: Python can't hold a value, as text that is not UTF-8 or a time in nanoseconds;
            it names the column and the file, `where`.
    """
    try:
        return table.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError) as error:
        names = [name for name in table.column_names if not _is_plain(table.column(name))]
        raise UserError(
            f"The column {', '.join(map(repr, names))} has a value that can't be read: {error}.",
            where,
            "Write the column again, as text in UTF-8, numbers or lists of these.",
        ) from error


def _is_plain(column: pa.ChunkedArray | pa.Array) -> bool:
    try:
        column.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError):
        return False
    return True


def refuse_repeated_columns(names: Sequence[str], path: Path) -> None:
    """Refuse a file with several columns of one name, of which a row could hold one.

    Raises:
        UserError: there are some.
    """
    repeated = sorted(name for name, number in Counter(names).items() if number > 1)
    if repeated:
        raise UserError(
            f"Several columns are named {', '.join(map(repr, repeated))}.",
            str(path),
            "Give each column a name of its own.",
        )
