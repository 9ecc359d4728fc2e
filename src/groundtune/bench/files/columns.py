"""Text columns of large files of JSON lines, read in pieces, each different text once.

Lines whose keys are the same in the same order are a table whose separator is the quote: the
strings lie in every other column. So pyarrow's reader of CSV takes them apart, several times as
fast as a reader of JSON. On the way to it, escaped quotes and backslashes become control
characters, which no JSON has (`_Unescaped`). That the keys are the first line's is checked in each
line. A file with any other line is read again line by line from where the last good piece ended,
with the same result.

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
"""Bytes read at a time."""
AT_ONCE = 1 << 14
"""Lines of a piece that is read line by line."""
_BACKSLASH, _QUOTE = b"\x01", b"\x02"
_ESCAPED = re.compile(r"[\\\x00-\x1f]")
_HALF = re.compile("[\ud800-\udfff]")
_CODED = pa.dictionary(pa.int32(), pa.string())


class Column(NamedTuple):
    """The texts of a column in a piece."""

    codes_N: NDArray[np.int32]
    texts: list[str]
    """The different ones (T)."""


Piece = Mapping[str, Column]


class _Unalike(Exception):
    """The lines are not alike enough to be read as a table."""


def pieces(path: Path, names: Sequence[str]) -> Iterator[Piece]:
    """The columns of these names, piece by piece; each must be text in each line.

    Raises:
        UserError: the file or a line can't be read, or a column is missing or no text.
    """
    done = 0
    try:
        for piece in _as_table(path, names):
            yield piece
            done += len(next(iter(piece.values())).codes_N)
    except (_Unalike, pa.ArrowInvalid):
        yield from _by_lines(path, names, done)


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
    """The batches of a table with so many columns, those of `types` alone."""
    wanted = sorted(types)
    return pa_csv.open_csv(
        pa.PythonFile(file, mode="r"),
        read_options=pa_csv.ReadOptions(
            block_size=PIECE, column_names=[str(i) for i in range(number)]
        ),
        parse_options=pa_csv.ParseOptions(
            delimiter='"', quote_char=False, escape_char=False, ignore_empty_lines=False
        ),
        convert_options=pa_csv.ConvertOptions(
            include_columns=[str(at) for at in wanted],
            column_types={str(at): types[at] for at in wanted},
            strings_can_be_null=False,
        ),
    )


class _Unescaped:
    """A file of JSON whose escaped backslashes and quotes are single control characters.

    JSON has none of these in its strings, so that a quote is now always a string's end.
    """

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._rest = b""
        self._is_start = True

    def read(self, size: int = PIECE) -> bytes:
        """About as many bytes; none at the end."""
        data = self._rest + self._file.read(size)
        if self._is_start:
            self._is_start, data = False, data.removeprefix(codecs.BOM_UTF8)
        odd = len(data) - len(data.rstrip(b"\\")) if data.endswith(b"\\") else 0
        self._rest = data[-1:] if odd % 2 and len(data) > 1 else b""
        data = data[: len(data) - len(self._rest)]
        if _BACKSLASH in data or _QUOTE in data:
            raise _Unalike
        return data.replace(b"\\\\", _BACKSLASH).replace(b'\\"', _QUOTE)

    def line(self) -> str:
        """The first line.

        Raises:
            _Unalike: it is no UTF-8, or very long.
        """
        line, end, _ = self.read().partition(b"\n")
        try:
            return line.decode() + end.decode()
        except UnicodeDecodeError as error:
            raise _Unalike from error

    def close(self) -> None:
        """Whoever opened the file closes it."""


def _place(parts: Sequence[str], name: str) -> int:
    """Which part of a line, split at quotes, is the string after a key."""
    if len(parts) % 2 == 0:
        raise _Unalike
    found = [i for i in range(1, len(parts), 2) if parts[i] == name and parts[i + 1] == ": "]
    if len(found) != 1:
        raise _Unalike
    return found[0] + 2


def _refuse_unalike(column: Any, text: str) -> None:
    """Refuses a column that has another text anywhere; its memory is compared as a whole."""
    rows, wanted = len(column), text.encode()
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, np.int32, rows + 1, 4 * column.offset)
    held = data.slice(ends[0], ends[-1] - ends[0])
    same = (np.diff(ends) == len(wanted)).all() and held.equals(pa.py_buffer(wanted * rows))
    if not same:
        raise _Unalike


def _column(column: Any) -> Column:
    texts: list[str] = column.dictionary.to_pylist()
    if _ESCAPED.search("".join(texts)):
        texts = [_plain(text) if _ESCAPED.search(text) else text for text in texts]
    return Column(column.indices.to_numpy(), texts)


def _plain(text: str) -> str:
    """What JSON says with a string of `_Unescaped`."""
    written = text.replace(_QUOTE.decode(), '\\"').replace(_BACKSLASH.decode(), "\\\\")
    try:
        plain = str(json.loads(f'"{written}"'))
    except ValueError as error:
        raise _Unalike from error
    if _HALF.search(plain):
        raise _Unalike
    return plain


def _by_lines(path: Path, names: Sequence[str], done: int) -> Iterator[Piece]:
    rows = islice(json_rows(path), done, None)
    while some := list(islice(rows, AT_ONCE)):
        piece: dict[str, Column] = {}
        for name in names:
            codes: dict[str, int] = {}
            each = [codes.setdefault(text_field(row, name), len(codes)) for row in some]
            piece[name] = Column(np.array(each, dtype=np.int32), list(codes))
        yield piece
