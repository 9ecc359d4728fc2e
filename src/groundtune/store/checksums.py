"""Checksums of a folder's files: `checksums.sha256`, as `sha256sum --check` reads it.

A disk, a copy or a person can change a byte of a file that still reads well: these sums find it.
A writer notes a file's sum before the file appears, so that a kill between the two leaves a sum
without a file, which is harmless, and never a file whose sum is another file's.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from groundtune.errors import UserError
from groundtune.store.files import write_atomic

NAME = "checksums.sha256"


def note(folder: Path, sums: Mapping[str, str]) -> None:
    """Add (file name, sha256) to the folder's sums; names whose files are gone are dropped.

    Raises:
        UserError: the disk is full, or the folder can't be written.
    """
    there = {name: found for name, found in noted(folder).items() if (folder / name).exists()}
    lines = [f"{sha256}  {name}\n" for name, sha256 in sorted({**there, **sums}.items())]
    write_atomic(folder / NAME, "".join(lines).encode())


def noted(folder: Path) -> dict[str, str]:
    """Sums by file name; empty where the folder has none.

    Raises:
        UserError: the file of sums is not one.
    """
    path = folder / NAME
    if not path.exists():
        return {}
    sums: dict[str, str] = {}
    for line in path.read_bytes().decode("utf-8", "replace").splitlines():
        sha256, separator, name = line.partition("  ")
        if not separator or len(sha256) != hashlib.sha256().digest_size * 2:
            raise UserError(
                "The checksum file is damaged.",
                str(path),
                "Restore it from a copy, or delete it to read the folder without checks.",
            )
        sums[name] = sha256
    return sums


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_damage(path: Path) -> None:
    """Raise UserError where a file's bytes don't fit its sum; a file without a sum passes."""
    expected = noted(path.parent).get(path.name)
    if expected is None:
        return
    if path.exists() and sha256_of(path) != expected:
        raise UserError(
            "The file is damaged: its bytes don't match its recorded checksum.",
            str(path),
            "Restore it from a copy, or delete it and rerun the command that wrote it.",
        )
