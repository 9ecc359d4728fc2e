"""Keys of derived rows, by which stages resume: a hash of a row's parents and its producer."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import cast

from pydantic import BaseModel

_ATOMS = frozenset({str, int, float, bool, type(None)})
"""Types that JSON has: most values of a key are of these, and need no further look."""


def key_of(*parts: object) -> str:
    """32 hex digits of the sha256 of the parts' canonical JSON.

    Parts are records, text, numbers, None, bytes, and lists, tuples and string-keyed dicts of
    these. The order of parts counts, the order of a dict's keys does not, and a tuple is the same
    as a list. NaN is refused.

    Raises:
        TypeError: for any other type.
        ValueError: for NaN or an infinity.
    """
    text = json.dumps(
        _plain(parts), ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def seed_of(*parts: object) -> int:
    """A seed below 2**63 for a row, from parts of the same kinds as for `key_of`."""
    return int(key_of(*parts)[:16], 16) >> 1


def _plain(value: object) -> object:
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is dict or isinstance(value, Mapping):
        names_and_values = cast("Mapping[object, object]", value)
        if not all(issubclass(each, str) for each in set(map(type, names_and_values))):
            raise TypeError("a key's dict must have text as its keys")
        items = names_and_values.items()
        return {name: each if type(each) in _ATOMS else _plain(each) for name, each in items}
    if kind is list or kind is tuple:
        values = cast("Sequence[object]", value)
        return [each if type(each) in _ATOMS else _plain(each) for each in values]
    return _plain_of_other_types(value)


def _plain_of_other_types(value: object) -> object:
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, BaseModel):
        return _plain(value.model_dump())
    if isinstance(value, bytes):
        return {"bytes": hashlib.sha256(value).hexdigest()}
    if isinstance(value, Sequence):
        return [_plain(each) for each in cast("Sequence[object]", value)]
    raise TypeError(f"a key can't be made of {type(value).__name__}")
