"""Checksums of a folder's files: `checksums.sha256`, as `sha256sum --check` reads it.

A disk, a copy or a person can change a byte of a file that still reads well: these sums find it.
A folder that only grows notes a file's sum before the file appears, so that a kill between the two
leaves a sum without a file, which is harmless, and never a file whose sum is another file's. A
folder that is written whole is sealed: all its files have a sum.
"""

import hashlib
import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from groundtune.errors import UserError
from groundtune.store.files import refuse_special, write_atomic

log = logging.getLogger(__name__)

NAME = "checksums.sha256"
RERUN = "Restore it from a copy, or delete it and rerun the command that wrote it."
"""What can be done about a damaged file that a command writes again."""

_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_LARGE = 1 << 24
"""Bytes of a file whose sum is remembered: weights are read for several reasons."""
_known: dict[tuple[Path, int, int, int], str] = {}
"""Sums of large files by path, inode, size and time of change."""


class DamageError(UserError):
    """The bytes of a file are not those that were written."""


def note(folder: Path, sums: Mapping[str, str]) -> None:
    """Add (file name, sha256) to the folder's sums; names whose files are gone are dropped.

    Raises:
        UserError: the disk is full, or the folder can't be written.
    """
    there = {name: found for name, found in noted(folder).items() if (folder / name).exists()}
    _write(folder, {**there, **sums})


def noted(folder: Path) -> dict[str, str]:
    """Sums by file name; empty where the folder has none.

    Raises:
        UserError: the file of sums is not one.
    """
    path = folder / NAME
    if not path.exists():
        return {}
    lines = path.read_bytes().decode("utf-8", "replace").split("\n")
    found = [_LINE.fullmatch(line) for line in lines[:-1]]
    if lines[-1] or not all(found):
        raise DamageError(
            "The checksum file is damaged.",
            str(path),
            "Restore it from a copy, or delete it to read the folder without checks.",
        )
    return {line[2]: line[1] for line in found if line}


def seal(folder: Path) -> None:
    """Write the sums of all files in the folder and below, and give all the mode of a new file.

    Some libraries write through temporary files that only their owner may read.

    Raises:
        UserError: the disk is full, or the folder can't be written.
    """
    files = [path for path in folder.rglob("*") if path.is_file()]
    _write(folder, {path.relative_to(folder).as_posix(): sha256_of(path) for path in files})
    mode = (folder / NAME).stat().st_mode
    for path in files:
        path.chmod(mode)


def refuse_damaged_folder(folder: Path, fix: str, *, must: bool = False) -> None:
    """Raise DamageError where a file of a sealed folder is missing or not as it was written.

    Files without a sum pass, and so does a folder without sums, unless it `must` have some.
    """
    sums = noted(folder)
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
    """The sha256 of a file's bytes, in hex; a large one that didn't change is read only once.

    Raises:
        UserError: it is a pipe or a device.
    """
    refuse_special(path)
    stat = path.stat()
    key = (path.absolute(), stat.st_ino, stat.st_size, stat.st_mtime_ns)
    if key in _known:
        return _known[key]
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if stat.st_size >= _LARGE:
        _known[key] = sha256
    return sha256


def refuse_damage(path: Path) -> None:
    """Raise DamageError where a file's bytes don't fit its sum; a file without a sum passes."""
    expected = noted(path.parent).get(path.name)
    if expected is None:
        return
    if path.exists() and sha256_of(path) != expected:
        raise DamageError(
            "The file is damaged: its bytes don't match its recorded checksum.", str(path), RERUN
        )


def write(path: Path, data: bytes) -> None:
    """Write a file that may be written again, and note its sum.

    Its old sum goes first: a kill in between leaves a file without a sum, never one that seems
    damaged.

    Raises:
        UserError: the disk is full, or the folder can't be written.
    """
    sums = noted(path.parent)
    if sums.pop(path.name, None) is not None:
        _write(path.parent, sums)
    write_atomic(path, data)
    note(path.parent, {path.name: hashlib.sha256(data).hexdigest()})


def warn_of_unknown(folder: Path, files: Iterable[Path]) -> None:
    """Log the files that have no sum in a folder that has some: they can't be checked."""
    sums = noted(folder)
    for path in files:
        if sums and path.name not in sums:
            log.warning("%s has no checksum in %s: it may be damaged", path, NAME)


def _write(folder: Path, sums: Mapping[str, str]) -> None:
    lines = [f"{sha256}  {name}\n" for name, sha256 in sorted(sums.items())]
    write_atomic(folder / NAME, "".join(lines).encode())
