r"""Rows of JSON files by people and other tools: one reader for all, row by row.

A file is JSON lines or one JSON list of objects, as its first character shows. It is UTF-8, with or
without a byte order mark. Only `\n` and `\r\n` end a line: a text may contain Unicode's other line
breaks. Blank lines are not rows. Rows count from 1; line numbers include blank lines.

`sheets.py` reads tables the same way, `json_text.py` long texts. Parquet: `tables.py`.
"""

import codecs
import json
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple, cast

from groundtune.errors import UserError
from groundtune.store.files import refuse_special, whole_file
from groundtune.store.json_text import LAYOUT, JsonText, fault_in, why_not_json
from groundtune.store.json_writing import json_of

SKIP_OR_FIX = "Fix the row, or leave it out with --skip-bad."
"""The fix of a bad row, for a command that has this option."""

_KEYED = re.compile(r'\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\{')

Fields = Mapping[str, Any]


class Row(NamedTuple):
    """A row of a file: an object, or its error. A bad row doesn't end the file."""

    where: str
    """The row's name in errors."""
    number: int
    content: Fields | UserError

    @property
    def fields(self) -> Fields:
        """The row's object.

        Raises:
            UserError: the row is bad.
        """
        if isinstance(self.content, UserError):
            raise self.content
        return self.content


def json_rows(path: Path, fix: str = LAYOUT) -> Iterator[Row]:
    """The rows of JSON lines or of a JSON list; `fix` is the third line of a bad row's error.

    Raises:
        UserError: the file can't be opened, or its list ends early or has a mistake.
    """
    with open_bytes(path) as file:
        if _is_list(file):
            yield from _list_rows(path, file, fix)
        else:
            yield from _line_rows(path, file, fix)


def count_lines(path: Path) -> int | None:
    """The number of rows of a file of lines; None for a list, which has to be read to count.

    Raises:
        UserError: the file can't be opened.
    """
    with open_bytes(path) as file:
        if _is_list(file):
            return None
        return sum(1 for line in file if line.strip() not in (b"", codecs.BOM_UTF8))


def json_members(
    path: Path, keys: set[str], *, inner: bool = False, fix: str
) -> Iterator[tuple[str, Row]]:
    """(key, row) of the lists under some keys of a file's only JSON object, row by row.

    With `inner`, of objects instead of lists; their own keys are left out.

    Raises:
        UserError: the file can't be opened, or is not such an object.
    """
    name = str(path)
    with open_bytes(path) as file:
        text = JsonText(path, file, fix)
        for key, value in text.members(keys, "{" if inner else "["):
            yield key, _row(f"{name}, {key} {text.row}", text.row, value, text.fault, fix)


def is_keyed(path: Path) -> bool:
    """Whether a JSON file is one object of objects, not lines or a list of rows.

    Raises:
        UserError: the file can't be opened.
    """
    return _KEYED.match(beginning(path)) is not None


def keyed_rows(path: Path, column: str, fix: str) -> Iterator[Row]:
    """The rows of a file that `is_keyed`; each has its key as a column.

    Raises:
        UserError: the file can't be opened, or is not such an object.
    """
    with open_bytes(path) as file:
        text = JsonText(path, file, fix)
        for key, value in text.entries():
            fields: object = value
            if isinstance(value, dict):
                fields = {column: key, **cast("Fields", value)}
            yield _row(f"{path}, row {text.row} ({key!r})", text.row, fields, text.fault, fix)


def json_file(path: Path, fix: str = LAYOUT) -> object:
    """The value of a file that is one JSON text.

    Raises:
        UserError: it can't be opened, or is not JSON.
    """
    with open_bytes(path) as file:
        text = JsonText(path, file, fix)
        value = text.value()
        text.end()
    if text.fault:
        raise UserError(f"The file {text.fault}.", str(path), fix)
    return value


def beginning(path: Path, size: int = 4096) -> str:
    """A text file's beginning, from its first non-blank character; invalid UTF-8 as "?".

    Raises:
        UserError: the file can't be opened.
    """
    with open_bytes(path) as file:
        return _beginning(file, size)


def write_json(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write the rows, completely or not at all: one list if the name ends in .json, else lines.

    Return their number.

    Raises:
        UserError: the disk is full or the folder can't be written.
    """
    as_list = path.suffix == ".json"
    number = 0
    with whole_file(path) as file:
        for number, row in enumerate(rows, 1):
            if as_list:
                file.write(b"[\n" if number == 1 else b",\n")
            file.write(json_of(row, where=f"{path}, row {number}").encode())
            if not as_list:
                file.write(b"\n")
        if as_list:
            file.write(b"\n]\n" if number else b"[]\n")
    return number


def write_keyed_json(path: Path, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> int:
    """Write rows with different keys as one object, completely or not at all; return their number.

    Raises:
        UserError: the disk is full or the folder can't be written.
    """
    number = 0
    with whole_file(path) as file:
        for number, (key, row) in enumerate(rows, 1):
            file.write(b"{\n" if number == 1 else b",\n")
            where = f"{path}, {key}"
            file.write(f"{json_of(key, where=where)}: {json_of(row, where=where)}".encode())
        file.write(b"\n}\n" if number else b"{}\n")
    return number


@contextmanager
def open_bytes(path: Path) -> Generator[BinaryIO]:
    """Open a file to read.

    Raises:
        UserError: it is missing, is not a file, or can't be read, also later in the block.
    """
    refuse_special(path)
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise unreadable(path, error) from error


@contextmanager
def open_text(path: Path) -> Generator[IO[str]]:
    """Open a text file in UTF-8, with or without a byte order mark. Only a line feed ends a line.

    Raises:
        UserError: as `open_bytes`, or it is not UTF-8.
    """
    refuse_special(path)
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            yield file
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from error


def text_of(path: Path) -> str:
    """The content of a text file, with line feeds as its only line ends.

    Raises:
        UserError: as `open_text`.
    """
    with open_text(path) as file:
        return file.read().replace("\r\n", "\n")


def unreadable(path: Path, error: Exception) -> UserError:
    """The user's error for a file that could not be read."""
    if isinstance(error, FileNotFoundError):
        return UserError("The file doesn't exist.", str(path), "Check the path.")
    if isinstance(error, UnicodeDecodeError):
        return UserError(
            f"The file can't be read: {why_not_json(error)}.", str(path), "Save it as UTF-8."
        )
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return UserError(f"The file can't be read: {why}.", str(path), "Check the file.")


def text_field(row: Row, name: str) -> str:
    """The text of a required column."""
    fields = row.fields
    value = fields.get(name)
    if not isinstance(value, str):
        problem = "is missing" if name not in fields else f"is {json.dumps(value)[:40]}"
        raise UserError(f'"{name}" {problem}, but must be text.', row.where, "Fix the row.")
    return value


def plain(value: object) -> str:
    """A value as text: ids may be numbers in one file and text in another; 3.0 is 3."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def first_of(fields: Fields, names: Iterable[str]) -> str | None:
    """The first existing column, as text; None if there is none."""
    return next((plain(fields[name]) for name in names if fields.get(name) is not None), None)


def _beginning(file: BinaryIO, size: int) -> str:
    """Return the beginning; afterwards the file is at its start."""
    start = b""
    while not start and (chunk := file.read(size)):
        start = chunk.removeprefix(codecs.BOM_UTF8).lstrip()
    file.seek(0)
    return start.decode(errors="replace")


def _is_list(file: BinaryIO) -> bool:
    return _beginning(file, 4096).startswith("[")


def _line_rows(path: Path, file: BinaryIO, fix: str) -> Iterator[Row]:
    name, decode = str(path), json.JSONDecoder().decode
    for number, line in enumerate(file, 1):
        data = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if not data.strip():
            continue
        where = f"{name}:{number}"
        try:
            text = data.decode()
            value: object = decode(text)
        except (ValueError, RecursionError) as error:
            what = f"The line is not JSON: {why_not_json(error)}."
            yield Row(where, number, UserError(what, where, fix))
        else:
            yield _row(where, number, value, fault_in(value, text), fix)


def _list_rows(path: Path, file: BinaryIO, fix: str) -> Iterator[Row]:
    text = JsonText(path, file, LAYOUT)
    name = str(path)
    for value in text.elements():
        yield _row(f"{name}, row {text.row}", text.row, value, text.fault, fix)
    text.end()


def _row(where: str, number: int, value: object, fault: str, fix: str) -> Row:
    if not isinstance(value, dict):
        fault = "is not a JSON object"
    if fault:
        return Row(where, number, UserError(f"The row {fault}.", where, fix))
    return Row(where, number, cast("Fields", value))


MEDIA_COLUMNS = ("video", "videos", "audio", "audios")
"""Columns of media that are neither text nor images."""


def media_in(fields: Mapping[str, object]) -> str:
    """Return the first column of a row that holds a video or a sound; "" without one."""
    return next((name for name in MEDIA_COLUMNS if fields.get(name)), "")
