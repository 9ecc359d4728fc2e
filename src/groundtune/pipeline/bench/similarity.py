"""Similarity of two nouns, from a file of word vectors."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from groundtune.bench.files.revisions import sha256_of
from groundtune.errors import UserError
from groundtune.store.rows import open_bytes

Vector = NDArray[np.float64]


class WordVectors:
    """Cosine similarity of words, -1 to 1; 0 for a word that the file lacks.

    The file is text, a word and its numbers a line, as word2vec and GloVe write it, with or without
    a first line of counts. Only the position of each word is in memory.

    Raises:
        UserError: it can't be read, or a line has another number of numbers than the first.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.__name__ = f"cosine of {path.name}"
        try:
            self._places = _places(path)
        except OSError as error:
            raise UserError(
                f"The word vectors can't be read: {error.strerror}.", str(path), "Give a file."
            ) from error
        self._vector = lru_cache(maxsize=1 << 14)(self._read)

    def __call__(self, first: str, second: str) -> float:
        """The cosine of two words' vectors."""
        a, b = self._vector(first), self._vector(second)
        if a is None or b is None:
            return 0.0
        if len(a) != len(b):
            raise self._error(f"{first!r} has {len(a)} numbers, {second!r} {len(b)}", second)
        norms = float(np.linalg.norm(a) * np.linalg.norm(b))
        return float(a @ b) / norms if norms else 0.0

    def provenance(self) -> dict[str, str]:
        """What a result says of it: name, file, and the sha256 of the file's bytes."""
        return {"name": self.__name__, "file": str(self.path), "sha256": sha256_of(self.path)}

    def _read(self, word: str) -> Vector | None:
        if word not in self._places:
            return None
        with self.path.open("rb") as file:
            file.seek(self._places[word][0])
            try:
                return np.array([float(number) for number in file.readline().split()[1:]])
            except ValueError as error:
                raise self._error("A number can't be read", word) from error

    def _error(self, problem: str, word: str) -> UserError:
        return UserError(
            f"{problem}.",
            f"{self.path}:{self._places[word][1]}",
            "Write a word and its numbers a line, with blanks between them.",
        )


def _places(path: Path) -> dict[str, tuple[int, int]]:
    """Where each word's line begins, and its number; a first line of counts is no word."""
    places: dict[str, tuple[int, int]] = {}
    start = 0
    with open_bytes(path) as file:
        for number, line in enumerate(file, 1):
            if number > 1 or len(line.split()) > 2:
                places[line.split(b" ", 1)[0].decode("utf-8", "replace")] = (start, number)
            start += len(line)
    return places
