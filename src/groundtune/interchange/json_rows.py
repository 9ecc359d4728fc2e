"""Files of JSON objects, as lines or as one list, read and written row by row."""

import codecs
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from groundtune.errors import UserError
from groundtune.store.whole_file import whole_file

MEND = "Mend the row, or leave it out with --skip-bad."
_CHUNK = 2**20
_SPACE = " \t\r\n"


class Found(NamedTuple):
    """A row, or what is wrong with it, and where it stands."""

    where: str
    row: Mapping[str, Any] | UserError


def read_json(path: Path) -> Iterator[Found]:
    """The rows of a file. Lines count from 1, the rows of a list from 0; empty lines are no rows.

    Raises:
        UserError: no such file, or a list that ends early or isn't one.
    """
    try:
        with path.open("rb") as file:
            yield from _list(file, path) if _is_list(file) else _lines(file, path)
    except OSError as error:
        raise _missing(path, error) from error


def count_lines(path: Path) -> int | None:
    """Rows of a file of lines; None for a list, which only reading would count.

    Raises:
        UserError: no such file.
    """
    try:
        with path.open("rb") as file:
            if _is_list(file):
                return None
            return sum(1 for line in file if line.strip() not in (b"", codecs.BOM_UTF8))
    except OSError as error:
        raise _missing(path, error) from error


def write_json(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Writes the rows, whole or not at all: as one list if the name ends in .json, else as lines.

    Returns their number.

    Raises:
        UserError: the disk is full or the folder can't be written.
    """
    as_list = path.suffix == ".json"
    number = 0
    with whole_file(path) as file:
        for number, row in enumerate(rows, 1):
            if as_list:
                file.write(b"[\n" if number == 1 else b",\n")
            file.write(json.dumps(row, ensure_ascii=False).encode())
            if not as_list:
                file.write(b"\n")
        if as_list:
            file.write(b"\n]\n" if number else b"[]\n")
    return number


def _is_list(file: BinaryIO) -> bool:
    """Whether a list begins the file; afterwards the file stands at its start."""
    start = b""
    while not start.strip() and (chunk := file.read(4096)):
        start = chunk.removeprefix(codecs.BOM_UTF8)
    file.seek(0)
    return start.lstrip().startswith(b"[")


def _lines(file: BinaryIO, path: Path) -> Iterator[Found]:
    for number, line in enumerate(file, 1):
        where = f"{path}, line {number}"
        text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if not text.strip():
            continue
        try:
            value = json.loads(text.decode())
        except (ValueError, RecursionError) as error:
            yield Found(where, UserError(f"The line is not JSON ({error}).", where, MEND))
        else:
            yield _found(value, where)


def _list(file: BinaryIO, path: Path) -> Iterator[Found]:
    """The members of a list, of which only a part is in memory at a time."""
    text = _Text(file)
    number = 0
    try:
        text.take("[")
        while text.peek() != "]":
            if number:
                text.take(",")
            yield _found(text.value(), f"{path}, row {number}")
            number += 1
        text.take("]")
        if text.peek():
            raise ValueError("something follows the list")
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"The list is not JSON ({error}).",
            f"{path}, row {number}",
            "Give a whole file: one list of objects, or an object a line.",
        ) from error


class _Text:
    """JSON text, read as it is asked for."""

    def __init__(self, file: BinaryIO) -> None:
        self._reader = codecs.getreader("utf-8-sig")(file)
        self._decoder = json.JSONDecoder()
        self._buffer = ""
        self._at = 0

    def peek(self) -> str:
        """The next character that is no white space; none at the end."""
        while True:
            while self._at < len(self._buffer) and self._buffer[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more():
                return ""

    def take(self, character: str) -> None:
        """Goes past the character. Raises ValueError if another comes."""
        if self.peek() != character:
            raise ValueError(f"{character!r} is missing")
        self._at += 1

    def value(self) -> object:
        """The next value. Raises ValueError if it isn't JSON."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._at)
            except ValueError:
                if not self._more():
                    raise
                continue
            if end < len(self._buffer) or not self._more():  # else a number may go on
                self._at = end
                return value

    def _more(self) -> bool:
        """Reads on, twice as much as is left; whether there was more."""
        left = self._buffer[self._at :]
        more = self._reader.read(max(_CHUNK, len(left)))
        self._buffer, self._at = left + more, 0
        return bool(more)


def _found(value: object, where: str) -> Found:
    try:
        if not isinstance(value, dict):
            raise ValueError("the row is not an object")
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        what = (
            "The row has half a character (a lone surrogate)."
            if isinstance(error, UnicodeEncodeError)
            else "The row is not a JSON object."
        )
        return Found(where, UserError(what, where, MEND))
    return Found(where, cast("dict[str, Any]", value))


def _missing(path: Path, error: OSError) -> UserError:
    if isinstance(error, FileNotFoundError):
        return UserError("The file doesn't exist.", str(path), "Check the path.")
    return UserError(f"The file can't be read: {error.strerror}.", str(path), "Check the path.")
