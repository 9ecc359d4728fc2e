"""Rows of tables, and of any file of rows.

    .tsv .csv                    with a line of headers
    .xlsx                        the first sheet; needs the package openpyxl (the extra "tables")
    .jsonl .json and any other   JSON lines or a JSON list (`rows.py`)

Rows are read one after another, so that memory doesn't grow with the file. Every cell is text.
"""

import csv
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from groundtune.errors import UserError
from groundtune.store.json_text import LAYOUT
from groundtune.store.rows import Row, json_rows, open_text, unreadable

SEPARATORS = {".csv": ",", ".tsv": "\t"}
WORKBOOK = ".xlsx"
ENDINGS = (".jsonl", ".json", ".ndjson", *SEPARATORS, WORKBOOK)
"""Names of files of rows end like this as a rule."""

_EVEN = "Give each column a header; quote cells that hold a separator, a quote or a line break."
_NO_ZIP = (OSError, EOFError, BadZipFile, zlib.error)
# openpyxl checks little: at a damaged sheet it raises what it runs into; in XML, a SyntaxError.
_NO_SHEET = (ValueError, LookupError, TypeError, AttributeError, SyntaxError)

csv.field_size_limit(1 << 27)  # a table of VLMEvalKit may hold images in base64


def rows_of(path: Path, fix: str = "") -> Iterator[Row]:
    """The rows of a file, whatever its layout is. A table's headers are its row 1.

    `fix` is the third line of a bad row's error, instead of how such a file is written.

    Raises:
        UserError: the file can't be read.
    """
    ending = path.suffix.lower()
    if ending in SEPARATORS:
        return _table_rows(path, SEPARATORS[ending], fix)
    return _workbook_rows(path, fix) if ending == WORKBOOK else json_rows(path, fix or LAYOUT)


def _table_rows(path: Path, separator: str, fix: str) -> Iterator[Row]:
    with open_text(path) as file:
        lines = csv.reader(file, delimiter=separator)
        try:
            headers = next(lines, None)
            if not headers:
                raise UserError("The table is empty.", str(path), "Add a header line.")
            for cells in filter(None, lines):
                yield _row(f"{path}:{lines.line_num}", lines.line_num, headers, cells, fix)
        except csv.Error as error:
            alone = "new-line character" in str(error)
            why = "a carriage return without a line feed" if alone else str(error)
            raise UserError(
                f"The table can't be read: {why}.", f"{path}:{lines.line_num}", "Fix the row."
            ) from error


def _workbook_rows(path: Path, fix: str) -> Iterator[Row]:
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
            yield from _sheet_rows(path, book.worksheets[0].iter_rows(values_only=True), fix)
    except (*_NO_ZIP, *_NO_SHEET) as error:
        raise unreadable(path, error) from error


def _sheet_rows(path: Path, sheet: Iterable[Sequence[object]], fix: str) -> Iterator[Row]:
    """An empty cell is "", a number as it would be printed."""
    headers: list[str] = []
    for number, cells in enumerate(sheet, 1):
        texts = ["" if cell is None else str(cell) for cell in cells]
        if not headers:
            headers = texts
        elif any(texts):
            texts += [""] * (len(headers) - len(texts))
            while len(texts) > len(headers) and not texts[-1]:
                texts.pop()
            yield _row(f"{path}, row {number}", number, headers, texts, fix)


def _row(where: str, number: int, headers: Sequence[str], cells: Sequence[str], fix: str) -> Row:
    if len(cells) == len(headers):
        return Row(where, number, dict(zip(headers, cells, strict=True)))
    what = f"The row has {len(cells)} cells, but there are {len(headers)} headers."
    return Row(where, number, UserError(what, where, fix or _EVEN))
