"""Checksums of a folder's files: `checksums.sha256`, in the format of `sha256sum --check`.

A disk, a copy or a person can change a byte of a file that still parses: these sums detect it. In a
folder that only grows, a file's sum is recorded before the file appears. A kill between the two
leaves a sum without a file, which is harmless, and never a file with a wrong sum. A folder that is
written at once is sealed: all its files have a sum.
"""

import hashlib
import logging
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from groundtune.errors import UserError
from groundtune.store.files import refuse_special, write_atomic

log = logging.getLogger(__name__)

NAME = "checksums.sha256"
RERUN = "Restore it from a copy, or delete it and rerun the command that wrote it."
"""Fix for a damaged file that a command can write again."""

_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_LARGE = 1 << 20
"""Files of at least this many bytes have their sum cached: weights are read several times."""
_SETTLED_NS = 2_000_000_000
"""Age of a file whose sum is cached: another change of it surely has another time."""
_cache: dict[tuple[Path, int, int, int], str] = {}
"""Sums of large files by path, inode, size and time of change."""


class DamageError(UserError):
    """The bytes of a file differ from those that were written."""


def add_sums(folder: Path, sums: Mapping[str, str]) -> None:
    """Add (file name, sha256) to the folder's sums; sums of deleted files are dropped.

    Raises:
        UserError: the disk is full, or the folder can't be written.
    """
    existing = {
        name: sha256 for name, sha256 in read_sums(folder).items() if (folder / name).exists()
    }
    _write(folder, {**existing, **sums})


def read_sums(folder: Path) -> dict[str, str]:
    """Return the sums by file name; empty if the folder has none.

    Raises:
        DamageError: the checksum file is damaged.
    """
    path = folder / NAME
    if not path.exists():
        return {}
    lines = path.read_bytes().decode("utf-8", "replace").split("\n")
    matches = [_LINE.fullmatch(line) for line in lines[:-1]]
    if lines[-1] or not all(matches):
        raise DamageError(
            "The checksum file is damaged.",
            str(path),
            "Restore it from a copy, or delete it to read the folder without checks.",
        )
    return {line[2]: line[1] for line in matches if line}


def seal(folder: Path) -> None:
    """Write the sums of all files below the folder, and give all the mode of a new file.

    Some libraries write through temporary files that only their owner can read.

    Raises:
        UserError: the disk is full, or the folder can't be written.
    """
    files = [path for path in folder.rglob("*") if path.is_file()]
    _write(folder, {path.relative_to(folder).as_posix(): sha256_of(path) for path in files})
    mode = (folder / NAME).stat().st_mode
    for path in files:
        path.chmod(mode)


def refuse_damaged_folder(folder: Path, fix: str, *, must: bool = False) -> None:
    """Raise DamageError if a file of a sealed folder is missing or damaged.

    Files without a sum pass, and so does a folder without sums, unless `must` is set.
    """
    sums = read_sums(folder)
    if must and not sums:
        raise DamageError("The folder's checksums are missing.", str(folder / NAME), fix)
    for name, expected in sums.items():
        path = folder / name
        if not path.is_file():
            raise DamageError("A file of the folder is missing.", str(path), fix)
        if sha256_of(path) != expected:
            raise DamageError(
                "The file is damaged: its bytes don't match its recorded checksum.", str(path), fix
            )


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hex; a large unchanged file is read only once.

    Raises:
        UserError: it is a pipe or a device.
    """
    refuse_special(path)
    stat = path.stat()
    key = (path.absolute(), stat.st_ino, stat.st_size, stat.st_mtime_ns)
    if key in _cache:
        return _cache[key]
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if stat.st_size >= _LARGE and time.time_ns() - stat.st_mtime_ns > _SETTLED_NS:
        _cache[key] = sha256
    return sha256


def refuse_damage(path: Path) -> None:
    """Raise DamageError if a file's bytes don't match its sum; a file without a sum passes."""
    expected = read_sums(path.parent).get(path.name)
    if expected is None:
        return
    if path.exists() and sha256_of(path) != expected:
        raise DamageError(
            "The file is damaged: its bytes don't match its recorded checksum.", str(path), RERUN
        )


def write(path: Path, data: bytes) -> None:
    """Write a file that may be overwritten later, and record its sum.

    Its old sum is removed first: a kill in between leaves a file without a sum, never one that
    seems damaged.

    Raises:
        UserError: the disk is full, or the folder can't be written.
    """
    sums = read_sums(path.parent)
    if sums.pop(path.name, None) is not None:
        _write(path.parent, sums)
    write_atomic(path, data)
    add_sums(path.parent, {path.name: hashlib.sha256(data).hexdigest()})


def warn_of_unknown(folder: Path, files: Iterable[Path]) -> None:
    """Log the files that have no sum in a folder with sums: they can't be checked."""
    sums = read_sums(folder)
    for path in files:
        if sums and path.name not in sums:
            log.warning("%s has no checksum in %s: it may be damaged", path, NAME)


def _write(folder: Path, sums: Mapping[str, str]) -> None:
    lines = [f"{sha256}  {name}\n" for name, sha256 in sorted(sums.items())]
    write_atomic(folder / NAME, "".join(lines).encode())
