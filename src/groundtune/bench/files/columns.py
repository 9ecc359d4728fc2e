"""Text columns of large JSON lines files, read in pieces, each distinct text once.

Lines with the same keys in the same order have the same number of quotes, if those that a
backslash escapes don't count. So the quotes of a piece are a table with a row per line, from which
numpy and pyarrow take the texts, several times as fast as a JSON reader. Each line's keys are
compared with the first line's. If any line differs, the file is read line by line from the end of
the last good piece, with the same result.

Shapes: B bytes of a piece, N its lines, Q quotes of a line, T different texts of a column.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# Reason: pyarrow ships no types.

import codecs
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundtune.store.rows import json_rows, open_bytes, text_field

PIECE = 1 << 20
"""Bytes per read."""
AT_ONCE = 1 << 14
"""Lines per piece when reading line by line."""
_HALF = re.compile("[\ud800-\udfff]")
_ESCAPED_QUOTE = 2
"""Stands for an escaped quote; JSON has no such character."""


class Column(NamedTuple):
    """The texts of one column of a piece."""

    codes_N: NDArray[np.int32]
    texts: list[str]
    """The distinct texts (T)."""


Piece = Mapping[str, Column]
Bytes = NDArray[np.uint8]


class _DifferentLineError(Exception):
    """The lines differ too much to be read as a table."""


def pieces(path: Path, names: Sequence[str]) -> Iterator[Piece]:
    """The named columns, piece by piece; each must be text in each line.

    Raises:
        UserError: the file or a line can't be read, or a column is missing or not text.
    """
    lines = 0
    try:
        for piece in _as_table(path, names):
            yield piece
            lines += len(next(iter(piece.values())).codes_N)
    except _DifferentLineError:
        yield from _by_lines(path, names, lines)


def _as_table(path: Path, names: Sequence[str]) -> Iterator[Piece]:
    layout: _Layout | None = None
    with open_bytes(path) as file:
        for data in _whole_lines(file):
            bytes_B = np.frombuffer(data, np.uint8)
            lines = int(np.count_nonzero(bytes_B == ord("\n")))
            others = np.count_nonzero(bytes_B < ord(" ")) - lines
            if others and others != data.count(b"\r\n"):
                raise _DifferentLineError  # a control character in a text
            if b"\\" in data:
                bytes_B = _without_escaped_quotes(bytes_B)
            layout = layout or _Layout.of(bytes_B, names)
            yield layout.columns(bytes_B, lines)


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """Pieces of about PIECE bytes, each of whole lines that end with a line feed."""
    if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
        file.seek(0)
    while data := file.read(PIECE):
        end = file.readline(PIECE)
        if len(end) == PIECE:
            raise _DifferentLineError
        data += end
        yield data if data.endswith(b"\n") else data + b"\n"


def _without_escaped_quotes(bytes_B: Bytes) -> Bytes:
    """The bytes with another one for a quote after a backslash that is not escaped itself."""
    slashes = np.flatnonzero(bytes_B == ord("\\"))
    firsts = np.flatnonzero(np.diff(slashes, prepend=-2) > 1)  # of each run of backslashes
    lengths = np.diff(firsts, append=len(slashes))
    place_in_run = np.arange(len(slashes)) - np.repeat(firsts, lengths)
    escaped = slashes[place_in_run % 2 == 0] + 1
    changed_B = bytes_B.copy()
    changed_B[escaped[bytes_B[escaped] == ord('"')]] = _ESCAPED_QUOTE
    return changed_B


class _Layout(NamedTuple):
    """Where the keys and the wanted texts of each line are, as in the first line."""

    quotes: int
    """Of a line (Q)."""
    start: bytes
    """The bytes before the first quote."""
    windows: Mapping[int, bytes]
    """By opening quote of a key: the bytes from there on that each line has."""
    values: Mapping[str, int]
    """By column: the opening quote of its text."""

    @classmethod
    def of(cls, bytes_B: Bytes, names: Sequence[str]) -> Self:
        """The layout of the first line of a piece without escaped quotes.

        Raises:
            _DifferentLineError: it is no object with all names.
        """
        parts = bytes_B.tobytes().partition(b"\n")[0].split(b'"')
        keys = {i: parts[i] for i in range(1, len(parts) - 1, 2) if parts[i + 1][:1] == b":"}
        values: dict[str, int] = {}
        for name in names:
            places = [i for i, key in keys.items() if key == name.encode()]
            if len(places) != 1 or parts[places[0] + 1] != b": ":
                raise _DifferentLineError
            values[name] = places[0] + 1
        if len(parts) % 2 == 0 or 1 not in keys:
            raise _DifferentLineError
        ends = {i: b': "' if i + 1 in values.values() else b":" for i in keys}
        windows = {i - 1: b'"%b"%b' % (key, ends[i]) for i, key in keys.items()}
        return cls(len(parts) - 1, parts[0], windows, values)

    def columns(self, bytes_B: Bytes, lines: int) -> Piece:
        """The columns of a piece with this number of lines.

        Raises:
            _DifferentLineError: a line has another layout.
        """
        quotes = np.flatnonzero(bytes_B == ord('"'))
        if len(quotes) != lines * self.quotes:
            raise _DifferentLineError
        quotes_NQ = quotes.reshape(lines, self.quotes)
        start = b"\n" + self.start
        alike = bytes_B[: quotes[0]].tobytes() == self.start and all(
            _are_at(bytes_B, at_N, text)
            for at_N, text in (
                (quotes_NQ[1:, 0] - len(start), start),
                *((quotes_NQ[:, place], text) for place, text in self.windows.items()),
            )
        )
        if not alike:
            raise _DifferentLineError
        # Each text from an opening quote to before the next one, without a copy.
        buffers = [None, pa.py_buffer(quotes.astype(np.int32)), pa.py_buffer(bytes_B)]
        texts = pa.Array.from_buffers(pa.binary(), len(quotes) - 1, buffers)
        rows_N = np.arange(0, len(quotes), self.quotes)
        return {
            name: _column(texts.take(integer_array(rows_N + place, pa.int64())))
            for name, place in self.values.items()
        }


def _are_at(bytes_B: Bytes, at_N: NDArray[np.int64], text: bytes) -> bool:
    """Whether the text is at each of the ascending places."""
    starts = len(bytes_B) - len(text) + 1
    if not len(at_N):
        return True
    if starts <= at_N[-1]:
        return False
    windows = np.ndarray((starts,), f"S{len(text)}", bytes_B, strides=(1,))
    return bool((windows[at_N] == text).all())


def _column(texts: Any) -> Column:
    """A column of texts that begin with a quote."""
    coded = texts.dictionary_encode()
    try:
        together = b"".join(coded.dictionary.to_pylist()).decode()
    except UnicodeDecodeError as error:
        raise _DifferentLineError from error
    distinct = together.split('"')[1:]
    if "\\" in together:
        distinct = [_plain(text) if "\\" in text else text for text in distinct]
    return Column(codes_of(coded), distinct)


def codes_of(column: Any) -> NDArray[np.int32]:
    """A dictionary array's codes (N,); `to_numpy` would import pandas, in half a second."""
    codes = column.indices
    return np.frombuffer(codes.buffers()[1], np.int32, len(codes), 4 * codes.offset)


def integer_array(values: NDArray[Any], kind: Any) -> Any:
    """An Arrow array over numpy's memory; `pa.array` would import pandas."""
    values = np.ascontiguousarray(values, dtype=kind.to_pandas_dtype())
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


@lru_cache(maxsize=1 << 13)
def _plain(text: str) -> str:
    """Decode a string whose escaped quotes are overwritten as JSON."""
    try:
        plain = str(json.loads(f'"{text.replace(chr(_ESCAPED_QUOTE), chr(34))}"'))
    except ValueError as error:
        raise _DifferentLineError from error
    if _HALF.search(plain):
        raise _DifferentLineError
    return plain


def _by_lines(path: Path, names: Sequence[str], start: int) -> Iterator[Piece]:
    rows = islice(json_rows(path), start, None)
    while chunk := list(islice(rows, AT_ONCE)):
        piece: dict[str, Column] = {}
        for name in names:
            codes: dict[str, int] = {}
            row_codes = [codes.setdefault(text_field(row, name), len(codes)) for row in chunk]
            piece[name] = Column(np.array(row_codes, dtype=np.int32), list(codes))
        yield piece
