"""Files and folders that are complete or absent, and disk errors that a person can act on.

A writer works under a temporary name, which it locks until the final name exists. A killed writer's
leftovers have a free lock, so that `sweep` can remove them while others write to the same folder.
"""

import errno
import os
import re
import shutil
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

from groundtune.errors import UserError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_OURS = re.compile(r"\..+\.[0-9a-f]+\.tmp")


class DiskError(UserError):
    """A file could not be written; the input is not at fault."""


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write the file completely or not at all; create its folders.

    A reader, or a process that was killed at any moment, sees the old file or the new one. With
    `durable` the bytes are on the disk (fsync) before the name is.

    Raises:
        DiskError: no space left, a quota or file size limit reached, or the folder can't be
            written.
    """
    with whole_file(path, durable=durable) as file:
        file.write(data)


@contextmanager
def whole_file(path: Path, *, durable: bool = True) -> Generator[BinaryIO]:
    """Open a file to write and read; it gets its name when the block ends without an error.

    Raises:
        DiskError: as `write_atomic`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _new_file(path) as (file, temporary):
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
            os.replace(temporary, path)
    except OSError as error:
        raise disk_error(error, path) from error


@contextmanager
def whole_folder(path: Path) -> Generator[Path]:
    """Open a folder to write into; it gets its name when the block ends without an error.

    Its files are on the disk before it gets the name. It replaces a folder of that name.

    Raises:
        DiskError: as `write_atomic`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _new_folder(path) as temporary:
            yield temporary
            _flush(temporary)
            remove_folder(path)
            os.replace(temporary, path)
    except OSError as error:
        raise disk_error(error, path) from error


def remove_folder(path: Path) -> None:
    """Remove a folder, if it exists; a kill never leaves a part of it under its name."""
    temporary = _temporary(path)
    with suppress(FileNotFoundError):
        os.replace(path, temporary)
    shutil.rmtree(temporary, ignore_errors=True)


def refuse_impossible(path: Path) -> None:
    """Refuse a name that no file can have, which raises wherever one looks for the file.

    Raises:
        UserError: it is too long, or has a NUL or half a character.
    """
    try:
        path.stat()
    except ValueError as error:  # a NUL, or half a character
        fix = "Check the name for characters that can't be seen."
        raise UserError("No file can have this name.", repr(str(path)), fix) from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UserError(
                f"No file can have this name: it is too long ({len(str(path)):,} characters).",
                f"{str(path)[:80]}...",
                "Check that it is the name of a file, not its content.",
            ) from error


def refuse_special(path: Path, where: str = "") -> None:
    """Refuse a pipe, a socket or a device: a reader may wait for it, or read it forever.

    Missing paths, folders and loops of links are left to the reader.

    Raises:
        UserError: it is one, or no file can have the name. It names `where`, or else the path.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    except ValueError as error:  # a NUL, or half a character
        fix = "Check the name for characters that can't be seen."
        raise UserError("No file can have this name.", where or repr(str(path)), fix) from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        fix = "Save its output to a file, and name that file."
        raise UserError("This is a pipe or a device, not a file.", where or str(path), fix)


def is_utf8(name: str) -> bool:
    """Whether a name's bytes are UTF-8; Python keeps other bytes as lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def sweep(folder: Path) -> None:
    """Remove the leftovers of killed writers in the folder, but no live writer's or other files."""
    for path in folder.glob(".*.tmp"):
        if _OURS.fullmatch(path.name):
            _remove_free(path)


def sweep_all(folder: Path) -> None:
    """Sweep a folder and all folders below it that are not hidden."""
    for path, below, _ in os.walk(folder):
        sweep(Path(path))
        below[:] = [name for name in below if not name.startswith(".")]


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
        "Choose a folder that you can write to with --out DIR.",
    )


def _temporary(path: Path) -> Path:
    # Not the process's number: machines that share a folder have equal ones.
    return path.parent / f".{path.name}.{token_hex(8)}.tmp"


@contextmanager
def _new_file(path: Path) -> Generator[tuple[BinaryIO, Path]]:
    """Open a temporary file that is locked; retry if a sweeper removed it in between."""
    while True:
        temporary = _temporary(path)
        with temporary.open("x+b") as file:
            if not (_lock(file.fileno()) and temporary.exists()):
                continue
            try:
                yield file, temporary
            finally:
                temporary.unlink(missing_ok=True)
        return


@contextmanager
def _new_folder(path: Path) -> Generator[Path]:
    """The same for a folder."""
    while True:
        temporary = _temporary(path)
        temporary.mkdir()
        descriptor = os.open(temporary, os.O_RDONLY) if fcntl else None
        if descriptor is None or (_lock(descriptor) and temporary.exists()):
            break
        os.close(descriptor)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock an open file; False if another process has the lock, True on disks without locks."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _remove_free(path: Path) -> None:
    """Remove a leftover, unless a writer has its lock or the disk has no locks."""
    if fcntl is None:
        return
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:  # its writer has just finished
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    except OSError:
        return
    finally:
        os.close(descriptor)


def _flush(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
