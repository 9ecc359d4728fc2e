"""JSON lines that detect damage: each has a checksum of itself and the lines before it.

    {"step": 1, "loss": 0.69, "check": "5f1c9c2a77b0d3e4"}

The check is the beginning of a sha256 over the previous line's check and the line without its own.
It detects a changed byte, a missing line and wrong order; an incomplete last line, left by a killed
writer, is ignored.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from groundtune.errors import UserError
from groundtune.store.checksums import DamageError
from groundtune.store.files import disk_error, write_atomic
from groundtune.store.json_writing import json_of

log = logging.getLogger(__name__)

_CHECK = "check"


class CheckedLines:
    """A file of checked lines, to append to. One writer at a time."""

    def __init__(self, path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write a new file with these rows.

        Raises:
            UserError: the disk is full, or the folder can't be written.
        """
        self.path = path
        self._last = ""
        write_atomic(path, "".join(map(self._line, rows)).encode())

    def append(self, row: Mapping[str, Any]) -> None:
        """Append a row.

        Raises:
            UserError: the disk is full.
        """
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(self._line(row))
        except OSError as error:
            raise disk_error(error, self.path) from error

    def _line(self, row: Mapping[str, Any]) -> str:
        text = json_of(row, where=str(self.path), ascii=True)
        self._last = _check(self._last, text)
        return f'{text[:-1]}, "{_CHECK}": "{self._last}"}}\n'


def read_lines(path: Path, fix: str) -> list[dict[str, Any]]:
    """Return the rows of checked lines, [] without a file, and log an incomplete last line.

    Raises:
        DamageError: a line's bytes have changed.
    """
    if not path.exists():
        return []
    *lines, rest = path.read_bytes().decode("utf-8", "replace").split("\n")
    rows: list[dict[str, Any]] = []
    last = ""
    for number, line in enumerate(lines, 1):
        text, separator, check = line.rpartition(f', "{_CHECK}": ')
        last = _check(last, text + "}")
        if not separator or check != f'"{last}"}}':
            raise DamageError(
                "The line is damaged: it doesn't match its checksum.", f"{path}:{number}", fix
            )
        rows.append(_object(text + "}", path, number, fix))
    if rest:
        log.warning("%s:%s: the incomplete last line is left out", path, len(lines) + 1)
    return rows


def _check(last: str, text: str) -> str:
    return hashlib.sha256(f"{last}\n{text}".encode("utf-8", "replace")).hexdigest()[:16]


def _object(text: str, path: Path, number: int, fix: str) -> dict[str, Any]:
    try:
        return cast("dict[str, Any]", json.loads(text))
    except ValueError as error:  # edited by hand, with a correct check
        raise UserError("The line is not JSON.", f"{path}:{number}", fix) from error
