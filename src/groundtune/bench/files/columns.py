"""Text columns of large JSON lines files, read in pieces, each distinct text once.

Lines with the same keys in the same order are a table with the quote as separator: every other
column is a string. So pyarrow's CSV reader can split them, several times as fast as a JSON reader.
Before that, escaped quotes and backslashes become control characters, which JSON never has
(`_Unescaped`). Each line's keys are compared with the first line's. If any line differs, the file
is read line by line from the end of the last good piece, with the same result.

Shapes: N lines of a piece, T different texts of a column.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# Reason: pyarrow ships no types.

import codecs
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from groundtune.store.rows import json_rows, open_bytes, text_field

PIECE = 1 << 20
"""Bytes per read."""
AT_ONCE = 1 << 14
"""Lines per piece when reading line by line."""
_BACKSLASH, _QUOTE = b"\x01", b"\x02"
_ESCAPED = re.compile(r"[\\\x00-\x1f]")
_HALF = re.compile("[\ud800-\udfff]")
_CODED = pa.dictionary(pa.int32(), pa.string())


class Column(NamedTuple):
    """The texts of one column of a piece."""

    codes_N: NDArray[np.int32]
    texts: list[str]
    """The distinct texts (T)."""


Piece = Mapping[str, Column]


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
    except (_DifferentLineError, pa.ArrowInvalid):
        yield from _by_lines(path, names, lines)


def _as_table(path: Path, names: Sequence[str]) -> Iterator[Piece]:
    with open_bytes(path) as file:
        line = _Unescaped(file).line()
    parts = line.rstrip("\r\n").split('"')
    places = {name: _place(parts, name) for name in names}
    alike = {i: parts[i] for i in range(1, len(parts), 2) if parts[i + 1].startswith(":")}
    alike |= {place - 1: ": " for place in places.values()}
    types = dict.fromkeys(alike, pa.binary()) | dict.fromkeys(places.values(), _CODED)
    with open_bytes(path) as file:
        for batch in _open(_Unescaped(file), len(parts), types):
            columns = {at: batch.column(i) for i, at in enumerate(sorted(types))}
            for at, text in alike.items():
                _refuse_unalike(columns[at], text)
            yield {name: _column(columns[place]) for name, place in places.items()}


def _open(file: "_Unescaped", number: int, types: Mapping[int, Any]) -> Iterator[Any]:
    """The batches of a table with `number` columns, but only those of `types`."""
    places = sorted(types)
    return pa_csv.open_csv(
        pa.PythonFile(file, mode="r"),
        read_options=pa_csv.ReadOptions(
            block_size=PIECE, column_names=[str(i) for i in range(number)]
        ),
        parse_options=pa_csv.ParseOptions(
            delimiter='"', quote_char=False, escape_char=False, ignore_empty_lines=False
        ),
        convert_options=pa_csv.ConvertOptions(
            include_columns=[str(at) for at in places],
            column_types={str(at): types[at] for at in places},
            strings_can_be_null=False,
        ),
    )


class _Unescaped:
    """A file of JSON whose escaped backslashes and quotes are single control characters.

    JSON strings have no control characters, so that every quote is now the end of a string.
    """

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._rest = b""
        self._is_start = True

    def read(self, size: int = PIECE) -> bytes:
        """About `size` bytes; none at the end."""
        data = self._rest + self._file.read(size)
        if self._is_start:
            self._is_start, data = False, data.removeprefix(codecs.BOM_UTF8)
        odd = len(data) - len(data.rstrip(b"\\")) if data.endswith(b"\\") else 0
        self._rest = data[-1:] if odd % 2 and len(data) > 1 else b""
        data = data[: len(data) - len(self._rest)]
        if _BACKSLASH in data or _QUOTE in data:
            raise _DifferentLineError
        if b"\\" not in data:  # much faster to find than two characters
            return data
        return data.replace(b"\\\\", _BACKSLASH).replace(b'\\"', _QUOTE)

    def line(self) -> str:
        """The first line.

        Raises:
            _Unalike: it is not UTF-8, or very long.
        """
        line, end, _ = self.read().partition(b"\n")
        try:
            return line.decode() + end.decode()
        except UnicodeDecodeError as error:
            raise _DifferentLineError from error

    def close(self) -> None:
        """Do nothing: the caller that opened the file closes it."""


def _place(parts: Sequence[str], name: str) -> int:
    """Index of the string after a key, among a line's parts split at quotes."""
    if len(parts) % 2 == 0:
        raise _DifferentLineError
    matches = [i for i in range(1, len(parts), 2) if parts[i] == name and parts[i + 1] == ": "]
    if len(matches) != 1:
        raise _DifferentLineError
    return matches[0] + 2


def _refuse_unalike(column: Any, text: str) -> None:
    """Refuse a column with any other text; compares its memory as a whole."""
    rows, expected = len(column), text.encode()
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, np.int32, rows + 1, 4 * column.offset)
    column_bytes = data.slice(ends[0], ends[-1] - ends[0])
    same = (np.diff(ends) == len(expected)).all() and column_bytes.equals(
        pa.py_buffer(expected * rows)
    )
    if not same:
        raise _DifferentLineError


def _column(column: Any) -> Column:
    texts: list[str] = column.dictionary.to_pylist()
    if _ESCAPED.search("".join(texts)):
        texts = [_plain(text) if _ESCAPED.search(text) else text for text in texts]
    return Column(codes_of(column), texts)


def codes_of(column: Any) -> NDArray[np.int32]:
    """A dictionary array's codes (N,); `to_numpy` would import pandas, in half a second."""
    codes = column.indices
    return np.frombuffer(codes.buffers()[1], np.int32, len(codes), 4 * codes.offset)


def _plain(text: str) -> str:
    """Decode a string of `_Unescaped` as JSON."""
    written = text.replace(_QUOTE.decode(), '\\"').replace(_BACKSLASH.decode(), "\\\\")
    try:
        plain = str(json.loads(f'"{written}"'))
    except ValueError as error:
        raise _DifferentLineError from error
    if _HALF.search(plain):
        raise _DifferentLineError
    return plain


def _by_lines(path: Path, names: Sequence[str], done: int) -> Iterator[Piece]:
    rows = islice(json_rows(path), done, None)
    while chunk := list(islice(rows, AT_ONCE)):
        piece: dict[str, Column] = {}
        for name in names:
            codes: dict[str, int] = {}
            row_codes = [codes.setdefault(text_field(row, name), len(codes)) for row in chunk]
            piece[name] = Column(np.array(row_codes, dtype=np.int32), list(codes))
        yield piece
