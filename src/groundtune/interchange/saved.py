"""Columns of a row beyond a pair's fields, stored in `Source.extra` for export.

Stores only what rendering the row again would not give: an unusual order of columns, and columns
that differ or have no field.
"""

import json
from collections.abc import Collection, Mapping, Sequence, Set
from typing import Any, cast

from groundtune.store.json_writing import json_of

_ORDER, _VALUES = "order", "values"


def store_columns(
    row: Mapping[str, Any],
    fresh: Mapping[str, Any],
    usual: Sequence[str],
    apart: Collection[str] = (),
) -> dict[str, str]:
    """What `restore` needs to turn `fresh` into `row`. Values are compared as JSON.

    `usual` are the columns of a new row, in order. Columns in `apart`, which hold images' bytes,
    always come from `fresh`.
    """
    extra: dict[str, str] = {}
    if list(row) != list(usual):
        extra[_ORDER] = dump(list(row))
    differing = {
        name: value
        for name, value in row.items()
        if name not in apart and (name not in fresh or not _are_equal(fresh[name], value))
    }
    if differing:
        extra[_VALUES] = dump(differing)
    return extra


def _are_equal(one: object, other: object) -> bool:
    """Whether two values are equal as JSON; texts need none."""
    if type(one) is str and type(other) is str:
        return one == other
    return dump(one) == dump(other)


def order_of(extra: Mapping[str, str]) -> list[str]:
    """The row's original columns; [] if they are those of a new row."""
    return cast("list[str]", json.loads(extra[_ORDER])) if _ORDER in extra else []


def restore(
    extra: Mapping[str, str], fresh: Mapping[str, Any], columns: Sequence[str]
) -> dict[str, Any]:
    """The original row in its `columns`; columns that were not stored come from `fresh`."""
    values = {**fresh, **stored_values(extra)}
    return {name: values[name] for name in columns if name in values}


def renew(
    extra: Mapping[str, str],
    fresh: Mapping[str, Any],
    columns: Sequence[str],
    stale: frozenset[str],
) -> dict[str, Any]:
    """The row with all columns of `fresh`, and its stored other columns, except the stale ones."""
    values = {name: value for name, value in stored_values(extra).items() if name not in stale}
    names = dict.fromkeys([*columns, *fresh])
    all_values = {**values, **fresh}
    return {name: all_values[name] for name in names if name in all_values}


def stored_values(extra: Mapping[str, str]) -> Mapping[str, Any]:
    """The stored columns, by name."""
    return cast("dict[str, Any]", json.loads(extra[_VALUES])) if _VALUES in extra else {}


def dump(value: object) -> str:
    """Return compact JSON."""
    return json_of(value, compact=True)


def without(extra: Mapping[str, str], names: Set[str]) -> Mapping[str, str]:
    """The same, without the values of some columns."""
    if not names:
        return extra
    remaining = {name: value for name, value in stored_values(extra).items() if name not in names}
    return {**extra, _VALUES: dump(remaining)}
