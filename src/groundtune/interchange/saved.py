"""What a row says beyond a pair's own fields, kept in `Source.extra` until it is written again.

Only what writing the row afresh would not give is kept: the columns' order where it is another, and
the columns that differ or that no field holds.
"""

import json
from collections.abc import Collection, Mapping, Sequence, Set
from typing import Any, cast

from groundtune.store.json_writing import json_of

_ORDER, _VALUES = "order", "values"


def keep(
    row: Mapping[str, Any],
    fresh: Mapping[str, Any],
    usual: Sequence[str],
    apart: Collection[str] = (),
) -> dict[str, str]:
    """What `restore` needs to make `row` of `fresh`. Values are compared as JSON.

    `usual` are the columns that a new row has, in order. Those of `apart`, which hold images'
    bytes, are always taken from `fresh`.
    """
    extra: dict[str, str] = {}
    if list(row) != list(usual):
        extra[_ORDER] = dump(list(row))
    differing = {
        name: value
        for name, value in row.items()
        if name not in apart and (name not in fresh or dump(fresh[name]) != dump(value))
    }
    if differing:
        extra[_VALUES] = dump(differing)
    return extra


def order_of(extra: Mapping[str, str]) -> list[str]:
    """The columns that the row had, none if they are those of a new row."""
    return cast("list[str]", json.loads(extra[_ORDER])) if _ORDER in extra else []


def restore(
    extra: Mapping[str, str], fresh: Mapping[str, Any], columns: Sequence[str]
) -> dict[str, Any]:
    """The row that was kept, in its `columns`, those that were not kept from `fresh`."""
    said = {**fresh, **kept_values(extra)}
    return {name: said[name] for name in columns if name in said}


def renew(
    extra: Mapping[str, str],
    fresh: Mapping[str, Any],
    columns: Sequence[str],
    stale: frozenset[str],
) -> dict[str, Any]:
    """The row with all that `fresh` says, and its other columns as they were kept, but no stale."""
    values = {name: value for name, value in kept_values(extra).items() if name not in stale}
    names = dict.fromkeys([*columns, *fresh])
    said = {**values, **fresh}
    return {name: said[name] for name in names if name in said}


def kept_values(extra: Mapping[str, str]) -> Mapping[str, Any]:
    """The columns that were kept, by name."""
    return cast("dict[str, Any]", json.loads(extra[_VALUES])) if _VALUES in extra else {}


def dump(value: object) -> str:
    """Compact JSON."""
    return json_of(value, compact=True)


def without(extra: Mapping[str, str], names: Set[str]) -> Mapping[str, str]:
    """The same, without the values of some columns."""
    if not names:
        return extra
    left = {name: value for name, value in kept_values(extra).items() if name not in names}
    return {**extra, _VALUES: dump(left)}
