"""Reads files of answers and of benchmarks' data: JSON lines, JSON lists, tables, sample files.

    .json .jsonl ...   JSON lines, or one JSON list of objects, told apart by the first character
    .tsv .csv          tables with a line of heads
    .xlsx              VLMEvalKit's tables; needs the package openpyxl (the extra "tables")

Rows are read one after another, so that memory doesn't grow with the file. Whatever can't be read
is an error of three lines that names file and row: bytes that are no UTF-8, JSON that breaks off or
goes on after its list, what Python's reader of JSON refuses, half a character.

lmms-eval's sample files (`*_samples_*.jsonl`) hold the question under "doc", the true answer under
"target", and what was said under "filtered_resps" or "resps"; `answers_of` knows them.
"""

import csv
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, Any, NamedTuple, cast
from zipfile import BadZipFile

from groundtune.bench.files.inspect_logs import inspect_answers, is_inspect_log
from groundtune.bench.item import FileAnswer
from groundtune.errors import UserError
from groundtune.store.rows import LAYOUT, NOT_READ, json_of, open_text, unreadable, why_not_read

TABLES = {".csv": ",", ".tsv": "\t"}
ANSWER_COLUMNS = ("prediction", "answer", "text", "response", "output", "caption")
"""Where an answer's text stands, in this order, if a benchmark doesn't say.

In tables of questions (`has_truth`) it is "prediction" alone.
"""
ITEM_COLUMNS = ("question_id", "id", "index")
SAMPLE_COLUMNS = {"doc", "target"}
_CHUNK = 1 << 16
_NO_ZIP = (OSError, EOFError, BadZipFile, zlib.error)
# openpyxl checks little: at a damaged sheet it raises what it runs into; in XML, a SyntaxError.
_NO_SHEET = (ValueError, LookupError, TypeError, AttributeError, SyntaxError)

csv.field_size_limit(1 << 27)  # a table of VLMEvalKit may hold pictures in base64

Fields = dict[str, Any]


class Row(NamedTuple):
    """A row of a file: its line or row from 1 (the table's heads are row 1), and its fields."""

    number: int
    fields: Fields


def rows_of(path: Path) -> Iterator[Row]:
    """The rows of a file, whatever its layout is. Empty lines are skipped.

    Raises:
        UserError: it can't be read, or a row is not an object; names the row.
    """
    if path.suffix.lower() in TABLES:
        return table_rows(path)
    if path.suffix.lower() == ".xlsx":
        return workbook_rows(path)
    return json_rows(path)


def json_rows(path: Path) -> Iterator[Row]:
    """Rows of JSON lines or of one JSON list of objects."""
    with open_text(path) as file:
        first = _first_character(file)
        yield from _list_rows(path, file) if first == "[" else _line_rows(path, file)


def table_rows(path: Path) -> Iterator[Row]:
    """Rows of a CSV or TSV file whose first line names the columns; every value is text."""
    with open_text(path, newline="") as file:
        lines = csv.reader(file, delimiter=TABLES[path.suffix.lower()])
        heads = next(lines, None)
        if not heads:
            raise UserError("The table is empty.", str(path), "Give one with a line of heads.")
        for cells in lines:
            if not cells:
                continue
            if len(cells) != len(heads):
                raise UserError(
                    f"The row has {len(cells)} cells, the heads are {len(heads)}.",
                    f"{path}:{lines.line_num}",
                    "Quote cells that hold a separator, a quote or a line break.",
                )
            yield Row(lines.line_num, dict(zip(heads, cells, strict=True)))


def workbook_rows(path: Path) -> Iterator[Row]:
    """Rows of an .xlsx file's first sheet; an empty cell is "", a number as it would be printed."""
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
            yield from _sheet_rows(path, book.worksheets[0].iter_rows(values_only=True))
    except (*_NO_ZIP, *_NO_SHEET) as error:
        raise unreadable(path, error) from error


def _sheet_rows(path: Path, sheet: Iterable[Sequence[object]]) -> Iterator[Row]:
    heads: list[str] = []
    for number, cells in enumerate(sheet, 1):
        texts = ["" if cell is None else str(cell) for cell in cells]
        if not heads:
            heads = texts
            continue
        if any(texts[len(heads) :]):
            raise UserError(
                f"The row has more cells than the {len(heads)} heads.",
                f"{path}:{number}",
                "Give each column a head.",
            )
        if any(texts):
            texts += [""] * (len(heads) - len(texts))
            yield Row(number, dict(zip(heads, texts, strict=False)))


def answers_of(
    path: Path,
    *,
    text: Sequence[str] = ANSWER_COLUMNS,
    item: Sequence[str] = ITEM_COLUMNS,
) -> Iterator[FileAnswer]:
    """The answers of a file, of lmms-eval's samples and Inspect's .json logs too.

    The text is the first of the columns `text` that the first row has, the id likewise ("" if there
    is none); in a table of questions (`has_truth`) the text is "prediction", in any case. All other
    columns that are no lists or objects become `extra`, as text; for a sample these are the fields
    of its "doc", and "target".

    Raises:
        UserError: a row without an answer, or one whose answer is not a text.
    """
    if is_inspect_log(path):
        for answer in inspect_answers(path):
            _refuse_half(answer.text, f"{path}, sample {answer.row}")
            yield answer
        return
    chosen: tuple[str, str] | None = None
    for row in rows_of(path):
        if row.fields.keys() >= SAMPLE_COLUMNS:
            yield _sample(path, row, item)
            continue
        if chosen is None:
            chosen = _choose(path, row, text), next((n for n in item if n in row.fields), "")
        said, named = chosen
        yield FileAnswer(
            text=text_field(path, row, said),
            item=plain(row.fields.get(named, "")) if named else "",
            row=row.number,
            extra=_extra(row.fields, said),
        )


def text_field(path: Path, row: Row, name: str) -> str:
    """A column that must be there and be text."""
    value = row.fields.get(name)
    if not isinstance(value, str):
        found = "is missing" if name not in row.fields else f"is {json.dumps(value)[:40]}"
        raise UserError(
            f'"{name}" {found}, but must be text.', f"{path}:{row.number}", "Mend the row."
        )
    _refuse_half(value, f"{path}:{row.number}")
    return value


def _refuse_half(text: str, where: str) -> None:
    """Refuses half a surrogate pair: JSON can say it, but no file of results can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"The text has half a character (a lone surrogate, \\u{ord(text[error.start]):04x}).",
            where,
            "Replace it, by U+FFFD say, in the file.",
        ) from error


def plain(value: object) -> str:
    """A value as text: ids may be numbers in one file and text in another; 3.0 is 3."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def first_of(fields: Fields, names: Iterable[str]) -> str | None:
    """The first of the columns that is there, as text; None if none is."""
    return next((plain(fields[name]) for name in names if fields.get(name) is not None), None)


def _first_character(file: IO[str]) -> str:
    while (one := file.read(1)) and one.isspace():
        pass
    file.seek(0)
    return one


def _line_rows(path: Path, file: IO[str]) -> Iterator[Row]:
    for number, line in enumerate(file, 1):
        if line.strip():
            yield Row(number, object_of(json_of(line, f"{path}:{number}"), path, number))


def _list_rows(path: Path, file: IO[str]) -> Iterator[Row]:
    """The objects of a JSON list, decoded one by one from a window of the text."""
    decoder = json.JSONDecoder()
    window, number = "", 0
    while (one := file.read(1)).isspace() or one == "[":
        if one == "[":
            break
    while True:
        window = window.lstrip()
        if window[:1] == "," and number:
            window = window[1:].lstrip()
        if window[:1] == "]":
            _refuse_more(window[1:], file, f"{path}, after object {number}")
            return
        found, end = _first_value(decoder, window, f"{path}, after object {number}")
        if end and end < len(window):  # at the window's end a number or word might go on
            number += 1
            yield Row(number, object_of(found, path, number))
            window = window[end:]
            continue
        more = file.read(max(_CHUNK, len(window)))
        if not more:
            where = f"{path}, after object {number}"
            raise UserError("The JSON list breaks off or has a mistake.", where, LAYOUT)
        window += more


def _first_value(decoder: json.JSONDecoder, window: str, where: str) -> tuple[object, int]:
    """What the window begins with and where that ends; (None, 0) if it isn't whole yet."""
    try:
        return decoder.raw_decode(window) if window else (None, 0)
    except json.JSONDecodeError:
        return None, 0
    except NOT_READ as error:
        raise UserError(
            f"The JSON list can't be read: {why_not_read(error)}.", where, "Mend the next object."
        ) from error


def _refuse_more(rest: str, file: IO[str], where: str) -> None:
    """Refuses whatever but blanks stands after a list: a second list would be left out unseen."""
    while not rest.strip():
        rest = file.read(_CHUNK)
        if not rest:
            return
    raise UserError(
        "The JSON list has ended, but the file goes on.", where, "Make one list of all objects."
    )


def object_of(found: object, path: Path, number: int) -> Fields:
    """A row that was read, if it is an object. Raises UserError if it is something else."""
    if not isinstance(found, dict):
        raise UserError("The row is not a JSON object.", f"{path}:{number}", LAYOUT)
    return cast("Fields", found)


def has_truth(names: Iterable[str]) -> bool:
    """Whether these are the columns of a table of questions, where "answer" is the true one.

    VLMEvalKit's have "index" with "question" or "answer", lmms-eval's data "category" with
    "answer". No official layout of answers has these together, but HallusionBench's own rows, whose
    truth is "gt_answer".
    """
    heads = {name.strip().lower() for name in names}
    if "index" in heads:
        return not heads.isdisjoint({"question", "answer"})
    return heads >= {"category", "answer"} and "gt_answer" not in heads


def _choose(path: Path, row: Row, text: Sequence[str]) -> str:
    if has_truth(row.fields):
        for name in sorted(row.fields, reverse=True):  # small letters before capitals
            if name.strip().lower() == "prediction":
                return name
        raise UserError(
            'The row is of a table of questions and has no "prediction": its "answer" is the true '
            "one.",
            f"{path}:{row.number}",
            'Give the table with the model\'s answers, in a column named "prediction".',
        )
    for name in text:
        if name in row.fields:
            return name
    raise UserError(
        f"The row has no answer: none of {', '.join(text)} is there.",
        f"{path}:{row.number}",
        f"It has {', '.join(row.fields) or 'no columns'}.",
    )


def _sample(path: Path, row: Row, item: Sequence[str]) -> FileAnswer:
    doc = row.fields["doc"]
    doc = cast("Fields", doc) if isinstance(doc, dict) else {}
    said = _innermost(row.fields.get("filtered_resps"))
    said = _innermost(row.fields.get("resps")) if said is None else said
    if said is None:
        raise UserError(
            'Neither "filtered_resps" nor "resps" holds an answer.',
            f"{path}:{row.number}",
            "Give a sample file that lmms-eval wrote with --log_samples.",
        )
    _refuse_half(said, f"{path}:{row.number}")
    named = first_of(doc, item) or plain(row.fields.get("doc_id", ""))
    extra = _extra(doc, "") | {"target": plain(row.fields["target"])}
    return FileAnswer(text=said, item=named, row=row.number, extra=extra)


def _innermost(value: object) -> str | None:
    """The first text in lists of lists; lmms-eval nests answers by request and repeat."""
    while isinstance(value, list) and value:
        value = cast("list[object]", value)[0]
    return value if isinstance(value, str) else None


def _extra(fields: Fields, without: str) -> dict[str, str]:
    return {
        name: plain(value)
        for name, value in fields.items()
        if name != without and isinstance(value, str | int | float)
    }
