"""Flips of single bits in files, for tests of checksums."""

import random
from collections.abc import Iterator
from pathlib import Path


def flipped(path: Path, number: int, seed: int = 0) -> Iterator[int]:
    """Flip a bit of the file, at `number` random places, and restore it after each."""
    whole = path.read_bytes()
    places = len(whole) * 8
    for place in random.Random(seed).sample(range(places), min(number, places)):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        yield place
    path.write_bytes(whole)
