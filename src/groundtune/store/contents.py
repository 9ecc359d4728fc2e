"""Contents of rows: what a stage read, so that it never resumes on data that changed since.

A row's key says which row it is, not what is in it. A stage therefore notes a short hash of each
column of the rows that it reads (`inputs.py`), next to the rows that it makes of them. New rows may
come; a row that is there and changed is refused.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from groundtune.errors import UserError

_SAME = 1e-4
"""Relative difference of two numbers that are taken for equal: computed twice, on two machines."""


class ChangedError(UserError):
    """Data that a folder's rows were made of has changed since."""


def columns_of(row: BaseModel) -> dict[str, Any]:
    """A row's columns without its key, and of its source only what isn't of its file.

    The same row may come from another line of the file, and under another licence.
    """
    columns = row.model_dump()
    columns.pop("key", None)
    if "source" in columns:
        columns["source"] = columns["source"]["extra"]
    return columns


def changes(before: BaseModel, now: BaseModel) -> list[str]:
    """Names of the columns in which two rows differ."""
    old, new = columns_of(before), columns_of(now)
    return [name for name in old if not _equal(old[name], new[name])]


def hashes_of(row: BaseModel) -> dict[str, str]:
    """A short hash of each column."""
    return {name: _hash([value]) for name, value in columns_of(row).items()}


def hashes_of_all(rows: Iterable[BaseModel], name: str) -> dict[str, str]:
    """A hash of each column of all rows in their order, by "NAME.COLUMN"."""
    columns: dict[str, list[Any]] = {}
    for row in rows:
        for column, value in columns_of(row).items():
            columns.setdefault(column, []).append(value)
    return {f"{name}.{column}": _hash(values) for column, values in columns.items()}


def refuse_changed(what: str, changed: Mapping[str, Iterable[str]], where: Path) -> None:
    """Raise ChangedError, naming the first changed row and its columns, if there is one.

    Args:
        what: What the rows are, in the plural.
        changed: Names of the changed columns by the row's key.
        where: Folder of what was made of them before.
    """
    if not changed:
        return
    key, names = next(iter(changed.items()))
    number = f"{len(changed)} {what}" if len(changed) > 1 else f"1 of the {what}"
    raise ChangedError(
        f"{number} changed since the folder was written: {key} ({', '.join(names)}).",
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
