"""Reading rows of files that people and other tools wrote."""

import csv
import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from groundtune.errors import UserError

LAYOUT = "Write one JSON object a line, or one JSON list of objects."
NOT_READ = (ValueError, RecursionError)


@contextmanager
def open_text(path: Path, newline: str | None = None) -> Generator[IO[str], None, None]:
    """A text file in UTF-8, with or without a byte order mark; lines end as Python reads them.

    Raises:
        UserError: it isn't there, may not be read, or is no UTF-8 at any place that is read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline=newline) as file:
            yield file
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> UserError:
    """What the user is told of a file that could not be read as text."""
    if isinstance(error, FileNotFoundError):
        return UserError("There is no such file.", str(path), "Check the path.")
    if isinstance(error, UnicodeDecodeError):
        byte = error.object[error.start]
        return UserError(
            f"The file can't be read: it is not UTF-8, for it holds the byte 0x{byte:02x}.",
            str(path),
            "Save it as UTF-8.",
        )
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return UserError(
        f"The file can't be read: {why}.",
        str(path),
        "Give JSON lines or a JSON list in UTF-8, or a .tsv, .csv or .xlsx table.",
    )


"""What json.loads raises; `why_not_read` says it in words."""


def json_of(line: str, where: str) -> object:
    """What a line of JSON says.

    Raises:
        UserError: it is no JSON, or more than Python's reader takes.
    """
    try:
        return json.loads(line)
    except NOT_READ as error:
        raise UserError(f"The line is not JSON: {why_not_read(error)}.", where, LAYOUT) from error


def why_not_read(error: Exception) -> str:
    """What is wrong with a JSON text, by the error of NOT_READ that it led to."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    if isinstance(error, RecursionError):
        return "its lists or objects are nested too deeply"
    return "an integer has too many digits"
