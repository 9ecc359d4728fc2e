"""The only writer of JSON: it refuses NaN and infinity, which JSON does not have.

An unknown value is null, and the code that computes it gives the reason. A value that is not a
number and gets here is our bug, and stops the command.
"""

import json
import math
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from groundtune.errors import UserError
from groundtune.store.files import write_atomic


def json_of(
    value: object,
    *,
    where: str = "",
    indent: int | None = None,
    ascii: bool = False,
    compact: bool = False,
) -> str:
    """Return plain values and records as JSON; other objects, such as paths, become their text.

    `where` names the file for the error. With `ascii`, other characters are escaped, lone
    surrogates too; `compact` leaves out spaces.

    Raises:
        UserError: a value is not a number (NaN or infinite); the error names it.
    """
    try:
        return _encoder(indent, ascii, compact).encode(value)
    except ValueError as error:
        place = next(_not_finite(value), "")
        if not place:
            raise
        raise UserError(
            f"The value {place} is not a number (NaN or infinite), which JSON can't hold.",
            where or "the result",
            "Please report this with the command: an unknown value should be null, with its "
            "reason.",
        ) from error


def write_object(path: Path, value: object, *, indent: int | None = None) -> Path:
    """Write a value as JSON with a line end, completely or not at all; return the path.

    Raises:
        UserError: a value is not a number, the disk is full or the folder can't be written.
    """
    write_atomic(path, f"{json_of(value, where=str(path), indent=indent)}\n".encode())
    return path


@cache
def _encoder(indent: int | None, ascii: bool, compact: bool) -> json.JSONEncoder:
    """The encoder of these settings: `json.dumps` makes one per call."""
    return json.JSONEncoder(
        ensure_ascii=ascii,
        indent=indent,
        allow_nan=False,
        separators=(",", ":") if compact else None,
        default=_plain,
    )


def _plain(value: object) -> object:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)


def _not_finite(value: object, place: str = "") -> Iterator[str]:
    """Yield the path of each non-finite number in a value: names and indices, joined by dots."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, float) and not math.isfinite(value):
        yield place or "(the value itself)"
    elif isinstance(value, Mapping):
        for name, item in cast("Mapping[Any, object]", value).items():
            yield from _not_finite(item, f"{place}.{name}".removeprefix("."))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(cast("list[object]", value)):
            yield from _not_finite(item, f"{place}.{number}".removeprefix("."))
