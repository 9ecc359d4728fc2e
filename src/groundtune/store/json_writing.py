"""The one place that writes JSON: it refuses NaN and infinity, which JSON does not have.

A value that isn't known is null, and whoever writes it says why. That is decided where the value
arises: one that is not a number and comes as far as here is a fault of ours and stops the command.
"""

import json
import math
from collections.abc import Iterator, Mapping
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

    `where` names the file for the error. With `ascii`, other characters are escaped, which also
    holds half a character; `compact` leaves out spaces.

    Raises:
        UserError: a value is not a number (NaN or infinite); the error names it.
    """
    try:
        return json.dumps(
            value,
            ensure_ascii=ascii,
            indent=indent,
            allow_nan=False,
            separators=(",", ":") if compact else None,
            default=_plain,
        )
    except ValueError as error:
        place = next(_not_finite(value), "")
        if not place:
            raise
        raise UserError(
            f"The value {place} is not a number (NaN or infinite), which JSON can't hold.",
            where or "the result",
            "Please report this with the command: a value that isn't known should be null, with "
            "its reason.",
        ) from error


def write_object(path: Path, value: object, *, indent: int | None = None) -> Path:
    """Write a value as JSON with a line end, whole or not at all; return the path.

    Raises:
        UserError: a value is not a number, the disk is full or the folder can't be written.
    """
    write_atomic(path, f"{json_of(value, where=str(path), indent=indent)}\n".encode())
    return path


def _plain(value: object) -> object:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)


def _not_finite(value: object, place: str = "") -> Iterator[str]:
    """Yield where in a value something is not finite: names and numbers, joined by points."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, float) and not math.isfinite(value):
        yield place or "(the whole)"
    elif isinstance(value, Mapping):
        for name, each in cast("Mapping[Any, object]", value).items():
            yield from _not_finite(each, f"{place}.{name}".removeprefix("."))
    elif isinstance(value, list | tuple):
        for number, each in enumerate(cast("list[object]", value)):
            yield from _not_finite(each, f"{place}.{number}".removeprefix("."))
