"""Sums of large files: read once, and again after any change."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from groundtune.store.checksums import sha256_of

MINUTE_NS = 60 * 10**9


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A line per file that is read to its end."""
    found: list[str] = []
    digest = hashlib.file_digest

    def counted(file: object, name: str) -> object:
        found.append(name)
        return digest(file, name)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(hashlib, "file_digest", counted)
    return found


def write(path: Path, data: bytes, changed_ns: int) -> str:
    path.write_bytes(data)
    os.utime(path, ns=(changed_ns, changed_ns))
    return hashlib.sha256(data).hexdigest()


def test_a_large_file_is_read_once_until_it_changes(tmp_path: Path, reads: list[str]):
    path, now = tmp_path / "weights", time.time_ns()
    one = write(path, b"a" * 2**20, now - 2 * MINUTE_NS)
    assert [sha256_of(path) for _ in range(3)] == [one] * 3
    assert len(reads) == 1
    other = write(path, b"b" * 2**20, now - MINUTE_NS)
    assert [sha256_of(path) for _ in range(3)] == [other] * 3
    assert len(reads) == 2


def test_a_change_in_the_same_tick_of_the_clock_is_seen(tmp_path: Path):
    path, now = tmp_path / "weights", time.time_ns()
    for data in (b"a" * 2**20, b"b" * 2**20):
        expected = write(path, data, now)
        assert sha256_of(path) == expected


def test_a_small_file_is_always_read(tmp_path: Path, reads: list[str]):
    path, before = tmp_path / "settings.json", time.time_ns() - MINUTE_NS
    for data in (b"{}", b"[]"):
        expected = write(path, data, before)
        assert sha256_of(path) == expected
    assert len(reads) == 2
