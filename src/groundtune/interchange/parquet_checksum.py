"""A checksum of a Parquet file, inside the file: an exported file is moved without its folder.

    pages | a line "groundtune sha256 HEX" | footer | length of the footer | PAR1

A Parquet file is read from its end, by offsets from its start, so no reader sees the bytes between
the last page and the footer. Software that rewrites the file drops them: such a file, like any
foreign one, has no checksum. The sum covers all other bytes of the file.
"""

import hashlib
from pathlib import Path
from typing import BinaryIO

from groundtune.store.checksums import DamageError

_MARK = b"\ngroundtune sha256 "
_BLOCK = len(_MARK) + 64 + 1
_TAIL = 8
"""Bytes of the footer's length and of PAR1."""
_CHUNK = 1 << 20
_verified: set[tuple[Path, int, int, int]] = set()
"""Files with a correct sum, by path, inode, size and time of change: a file is opened often."""


def add_checksum(file: BinaryIO) -> None:
    """Add the checksum to a complete Parquet file that is open for reading and writing."""
    size = file.seek(0, 2)
    start = _footer_start(file, size)
    digest = _sum(file, start, start, size)
    file.seek(start)
    footer = file.read()
    file.seek(start)
    file.write(_MARK + digest.encode() + b"\n" + footer)


def refuse_damaged_export(path: Path) -> None:
    """Raise DamageError if a file has a checksum that its bytes don't match.

    A file without one passes, and so does a file that is not Parquet: its reader raises an error.
    """
    stat = path.stat()
    key = (path.absolute(), stat.st_ino, stat.st_size, stat.st_mtime_ns)
    if key in _verified:
        return
    with path.open("rb") as file:
        start = _footer_start(file, stat.st_size)
        end_of_pages = start - _BLOCK
        if end_of_pages < 0:
            return
        file.seek(end_of_pages)
        block = file.read(_BLOCK)
        if not block.startswith(_MARK):
            return
        digest = _sum(file, end_of_pages, start, stat.st_size)
    if block != _MARK + digest.encode() + b"\n":
        raise DamageError(
            "The file is damaged: its bytes don't match the checksum that its export wrote.",
            str(path),
            "Copy or export the file again.",
        )
    _verified.add(key)


def _footer_start(file: BinaryIO, size: int) -> int:
    """The footer's start, by the end of the file; it may be invalid, even below 0."""
    file.seek(max(0, size - _TAIL))
    return size - _TAIL - int.from_bytes(file.read(4), "little")


def _sum(file: BinaryIO, end_of_pages: int, start: int, size: int) -> str:
    """The sha256 of the bytes before the block, and of those after it."""
    digest = hashlib.sha256()
    for first, last in ((0, end_of_pages), (start, size)):
        file.seek(first)
        for at in range(first, last, _CHUNK):
            digest.update(file.read(min(_CHUNK, last - at)))
    return digest.hexdigest()
