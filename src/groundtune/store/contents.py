"""Hashes of rows' contents, so that a stage never resumes on data that has changed.

A row's key identifies the row, not its contents. A stage therefore records a short hash of each
column of the rows that it reads (`inputs.py`), next to the rows that it writes. New rows may be
added; a changed row is refused.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from groundtune.errors import UserError

_SAME = 1e-4
"""Relative difference below which two numbers are equal: computed twice, on two machines."""


class ChangedError(UserError):
    """The data from which a folder's rows were computed has changed."""


def columns_of(row: BaseModel) -> dict[str, Any]:
    """Return a row's columns without its key; of its source, only `extra`.

    The same row may come from another line of the file, and under another licence.
    """
    columns = row.model_dump()
    columns.pop("key", None)
    if "source" in columns:
        columns["source"] = columns["source"]["extra"]
    return columns


def changes(before: BaseModel, now: BaseModel) -> list[str]:
    """Return the names of the columns in which two rows differ."""
    old, new = columns_of(before), columns_of(now)
    return [name for name in old if not _equal(old[name], new[name])]


def hashes_of(row: BaseModel) -> dict[str, str]:
    """Return a short hash per column."""
    return {name: _hash([value]) for name, value in columns_of(row).items()}


def hashes_of_all(rows: Iterable[BaseModel], name: str) -> dict[str, str]:
    """Return a hash per column of all rows in their order, by "NAME.COLUMN"."""
    columns: dict[str, list[Any]] = {}
    for row in rows:
        for column, value in columns_of(row).items():
            columns.setdefault(column, []).append(value)
    return {f"{name}.{column}": _hash(values) for column, values in columns.items()}


def refuse_changed_rows(what: str, changed: Mapping[str, Iterable[str]], where: Path) -> None:
    """Raise ChangedError, naming the first changed row and its columns, if there is one.

    Args:
        what: A plural noun for the rows.
        changed: Names of the changed columns by the row's key.
        where: Folder of the rows that were computed from them.
    """
    if not changed:
        return
    key, names = next(iter(changed.items()))
    count = f"{len(changed)} {what}" if len(changed) > 1 else f"1 of the {what}"
    raise ChangedError(
        f"{count} changed since the folder was written: {key} ({', '.join(names)}).",
        str(where),
        "Choose another folder with --out DIR, or restore the data.",
    )


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_SAME, abs_tol=1e-9)
    return bool(one == other)


def _hash(values: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for value in values:
        digest.update(repr(value).encode("utf-8", "backslashreplace") + b"\0")
    return digest.hexdigest()[:16]
