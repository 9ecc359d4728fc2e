"""Rows of tables, and of any file of rows.

    .tsv .csv                    with a line of headers; .csv also with semicolons or tabs
    .xlsx                        the first sheet; needs the package openpyxl (the extra "tables")
    .jsonl .json and any other   JSON lines or a JSON list (`rows.py`)

Rows are read one after another, so that memory doesn't grow with the file. Every cell is text.
"""

import codecs
import csv
import io
import logging
import re
import zlib
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple
from zipfile import BadZipFile

from groundtune.errors import UserError
from groundtune.store.files import refuse_special, whole_file
from groundtune.store.json_text import LAYOUT, why_not_json
from groundtune.store.json_writing import json_of
from groundtune.store.rows import Row, json_rows, open_bytes, unreadable

log = logging.getLogger(__name__)

SEPARATORS = {".csv": ",", ".tsv": "\t"}
WORKBOOK = ".xlsx"
ENDINGS = (".jsonl", ".json", ".ndjson", *SEPARATORS, WORKBOOK)
"""Usual file endings of files of rows."""

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""How a cell begins that a spreadsheet program may run; apostrophes in front keep it from that."""
_EVEN = "Give each column a header; quote cells that hold a separator, a quote or a line break."
_UTF8 = 'Save it as UTF-8 (in spreadsheet programs: "CSV UTF-8").'
_CSV_FAULTS = {
    "new-line character": "a carriage return without a line feed",
    "unexpected end of data": "a quote that begins a cell has no end",
    "expected after": "text follows the quote that ends a cell",
}
_NO_ZIP = (OSError, EOFError, BadZipFile, zlib.error)
# openpyxl checks little: a damaged sheet raises any of these; damaged XML, a SyntaxError.
_NO_SHEET = (ValueError, LookupError, TypeError, AttributeError, SyntaxError)

csv.field_size_limit(1 << 27)  # a table of VLMEvalKit may hold images in base64


def rows_of(path: Path, fix: str = "") -> Iterator[Row]:
    """The rows of a file of any layout. A table's headers are its row 1.

    `fix` is the third line of a bad row's error, instead of how to write such a file.

    Raises:
        UserError: the file can't be read.
    """
    if not is_table(path):
        return json_rows(path, fix or LAYOUT)
    return _rows(path, fix)


def is_table(path: Path) -> bool:
    """Whether a file's name has a table's ending."""
    return path.suffix.lower() in (*SEPARATORS, WORKBOOK)


def headers_of(path: Path) -> list[str]:
    """The headers of a table.

    Raises:
        UserError: the file can't be read or is empty, or several headers are equal.
    """
    with closing(_cells(path)) as rows:
        for row in rows:
            return _headers(row.cells, path)
    raise UserError("The table is empty.", str(path), "Add a line of headers.")


def _rows(path: Path, fix: str) -> Iterator[Row]:
    headers = headers_of(path)
    is_workbook = path.suffix.lower() == WORKBOOK
    for row in islice(_cells(path), 1, None):
        missing = len(headers) - len(row.cells) if is_workbook else 0  # a sheet omits empty ends
        cells = row.cells + [""] * missing
        yield _row(f"{path}{row.place}", row.number, headers, cells, fix)


class _Cells(NamedTuple):
    """A row of a table with text in it; the first row has the headers."""

    place: str
    """Position in errors, after the file's name."""
    number: int
    cells: list[str]


def _cells(path: Path) -> Generator[_Cells]:
    refuse_special(path)
    if path.suffix.lower() == WORKBOOK:
        return _cells_of_workbook(path)
    return _cells_of_text(path, _separator(path))


def write_table(path: Path, rows: Iterable[Mapping[str, Any]], headers: Sequence[str]) -> int:
    """Write the rows as .csv or .tsv, completely or not at all, and return their number.

    A value that isn't text is written as JSON; a row without a column gets an empty cell.

    A text that a spreadsheet program would run as a formula gets an apostrophe in front (OWASP, CSV
    Injection); `without_guard` removes it.

    Raises:
        UserError: the disk is full or the folder can't be written.
    """
    count = -1  # without the headers
    line = io.StringIO()
    writer = csv.writer(line, delimiter=SEPARATORS[path.suffix.lower()], lineterminator="\r\n")
    with whole_file(path) as file:
        file.write(codecs.BOM_UTF8)  # without it, Excel reads another encoding
        for cells in _lines(rows, headers):
            writer.writerow(cells)
            file.write(line.getvalue().encode())
            line.seek(0)
            line.truncate()
            count += 1
    return count


def _lines(rows: Iterable[Mapping[str, Any]], headers: Sequence[str]) -> Iterator[list[str]]:
    yield list(headers)
    for row in rows:
        values = (row.get(name, "") for name in headers)
        yield [_guarded(value) if isinstance(value, str) else json_of(value) for value in values]


def without_guard(cell: str) -> str:
    """Return a cell as it was before `write_table` guarded it."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _guarded(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _cells_of_text(path: Path, separator: str) -> Generator[_Cells]:
    """Yield rows; the place is a row's first line, and its number if cells have line breaks."""
    with _open_table(path) as file:
        lines = csv.reader(file, delimiter=separator, strict=True)
        number = begin = 1
        while (cells := _next_cells(lines, f"{path}:{begin}")) is not None:
            if any(cells):
                row = "" if number == begin else f" (row {number} of the table)"
                yield _Cells(f":{begin}{row}", begin, cells)
            number, begin = number + 1, lines.line_num + 1


def _next_cells(lines: Iterator[list[str]], where: str) -> list[str] | None:
    try:
        return next(lines, None)
    except csv.Error as error:
        matches = (why for sign, why in _CSV_FAULTS.items() if sign in str(error))
        why = next(matches, str(error))
        raise UserError(f"The table can't be read: {why}.", where, "Fix the row.") from error


@contextmanager
def _open_table(path: Path) -> Generator[IO[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            yield file
    except UnicodeDecodeError as error:
        where = f"{path}:{_line_without_utf8(path)}"
        raise UserError(f"The file can't be read: {why_not_json(error)}.", where, _UTF8) from error
    except OSError as error:
        raise unreadable(path, error) from error


def _line_without_utf8(path: Path) -> int:
    with open_bytes(path) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1


def _separator(path: Path) -> str:
    """The separator of cells: for .csv the one that gives most headers, a comma if several do."""
    ending = path.suffix.lower()
    if ending != ".csv":
        return SEPARATORS[ending]
    counts: dict[str, int] = {}
    for separator in ",;\t":
        try:
            with closing(_cells_of_text(path, separator)) as rows:
                counts[separator] = len(next(rows).cells)
        except (UserError, StopIteration):  # quotes of another separator; reading says if none fits
            counts[separator] = 0
    return max(counts, key=counts.__getitem__)


def _headers(cells: Sequence[str], path: Path) -> list[str]:
    """The headers without empty ones at the end; raise UserError if two are equal."""
    headers = list(cells)
    while headers and not headers[-1].strip():
        headers.pop()
    double = [name for name, count in Counter(headers).items() if count > 1]
    if double:
        name = f"the header {double[0]!r}" if double[0] else "no header"
        raise UserError(
            f"Several columns have {name}.", f"{path}, headers", "Give each column its own header."
        )
    return headers


def _cells_of_workbook(path: Path) -> Generator[_Cells]:
    """The cells of the first sheet."""
    try:
        import openpyxl  # pyright: ignore[reportMissingModuleSource, reportMissingImports]
    except ImportError as error:
        raise UserError(
            "Reading .xlsx files needs the package openpyxl.",
            str(path),
            'Install it with pip install "groundtune[tables]", or save the table as .tsv.',
        ) from error
    try:
        book: Any = openpyxl.load_workbook(  # pyright: ignore[reportUnknownMemberType]
            path, read_only=True, data_only=True
        )
        with closing(book):
            first, *others = book.worksheets
            yield from _cells_of_sheet(first.iter_rows(values_only=True))
            if others:
                names = ", ".join(sheet.title for sheet in others)
                log.warning("%s: only the sheet %s is read, not %s", path, first.title, names)
    except (*_NO_ZIP, *_NO_SHEET) as error:
        raise unreadable(path, error) from error


def _cells_of_sheet(rows: Iterable[Sequence[object]]) -> Iterator[_Cells]:
    for number, row in enumerate(rows, 1):
        texts = ["" if cell is None else str(cell) for cell in row]
        if any(texts):
            yield _Cells(f", row {number}", number, texts)


def _row(where: str, number: int, headers: Sequence[str], cells: list[str], fix: str) -> Row:
    while len(cells) > len(headers) and not cells[-1]:
        cells.pop()
    if len(cells) == len(headers):
        return Row(where, number, dict(zip(headers, cells, strict=True)))
    what = f"The row has {len(cells)} cells, but there are {len(headers)} headers."
    return Row(where, number, UserError(what, where, fix or _EVEN))
