"""Keys of derived rows, by which stages resume: a hash of a row's parents and its producer."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from pydantic import BaseModel

_CONTAINERS = (dict, list, tuple)
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
    _refuse_other_keys(parts)
    text = _CANONICAL.encode(parts)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def seed_of(*parts: object) -> int:
    """A seed below 2**63 for a row, from parts of the same kinds as for `key_of`."""
    return int(key_of(*parts)[:16], 16) >> 1


def _refuse_other_keys(container: object) -> None:
    """Raise TypeError for a dict whose keys are not text; JSON would make text of some of them."""
    values = cast("Iterable[object]", container)
    if isinstance(container, dict):
        names = cast("dict[object, object]", container)
        if not all(issubclass(kind, str) for kind in set(map(type, names))):
            raise TypeError("a key's dict must have text as its keys")
        values = names.values()
    if _ATOMS.issuperset(map(type, values)):
        return
    for value in values:
        if isinstance(value, _CONTAINERS):
            _refuse_other_keys(cast("object", value))


def _plain(value: object) -> object:
    """What stands in JSON for a value that JSON doesn't have."""
    if isinstance(value, BaseModel):
        plain = value.model_dump()
    elif isinstance(value, bytes):
        return {"bytes": hashlib.sha256(value).hexdigest()}
    elif isinstance(value, Mapping):
        plain = dict(cast("Mapping[object, object]", value))
    elif isinstance(value, Sequence):
        plain = list(cast("Sequence[object]", value))
    else:
        raise TypeError(f"a key can't be made of {type(value).__name__}")
    _refuse_other_keys(plain)
    return plain


_CANONICAL = json.JSONEncoder(
    ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain
)
