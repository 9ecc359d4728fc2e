"""Files that are either whole or absent, and errors of the disk that a person can act on."""

import errno
import os
from pathlib import Path
from secrets import token_hex

from groundtune.errors import UserError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DiskError(UserError):
    """A file could not be written; no row of the input is to blame."""


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Writes the file whole or not at all; folders are made as needed.

    A reader, or a process that was killed at any moment, sees the old file or the new one. With
    `durable` the bytes are on the disk (fsync) before the name is.

    Raises:
        DiskError: no space left, a quota or file size limit reached, or the folder can't be
            written.
    """
    # Not the process's number alone: machines that share a folder have equal ones.
    temporary = path.parent / f".{path.name}.{token_hex(8)}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write(temporary, data, durable)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise disk_error(error, path) from error


def sweep(folder: Path) -> None:
    """Removes what killed writers left behind in the folder; for folders with one writer only."""
    for left in folder.glob(".*.tmp"):
        left.unlink(missing_ok=True)


def disk_error(error: OSError, path: Path) -> DiskError:
    """The error for a file that could not be written."""
    if error.errno in _FULL:
        return DiskError(
            "The disk is full (or a quota or size limit is reached); no file was left incomplete.",
            str(path),
            "Free some space and run the same command again: it resumes where it stopped.",
        )
    return DiskError(
        f"The file can't be written: {error.strerror or error}.",
        str(path),
        "Choose a folder that you may write to with --out DIR.",
    )


def _write(path: Path, data: bytes, durable: bool) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        if durable:
            os.fsync(file.fileno())
