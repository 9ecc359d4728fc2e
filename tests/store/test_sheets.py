"""Rows of tables, which are read as those of JSON files."""

import sys
import zipfile
from pathlib import Path

import pytest

from groundtune.errors import UserError
from groundtune.store.rows import Row
from groundtune.store.sheets import rows_of, without_guard, write_table


def fields_of(path: Path) -> list[object]:
    return [row.fields for row in rows_of(path)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(("name", "sign"), [("a.csv", ","), ("a.TSV", "\t")])
def test_a_table_keeps_text_as_it_is(tmp_path: Path, name: str, sign: str, end: str):
    lines = [f"id{sign}text", "", f'1{sign}"a\u2028b{sign}""c""\n\r\nd"', f"2{sign}\x85"]
    (tmp_path / name).write_bytes(("\ufeff" + end.join(lines) + end).encode())
    assert list(rows_of(tmp_path / name)) == [
        Row(f"{tmp_path / name}:3", 3, {"id": "1", "text": f'a\u2028b{sign}"c"\n\r\nd'}),
        Row(f"{tmp_path / name}:6 (row 4 of the table)", 6, {"id": "2", "text": "\x85"}),
    ]


def test_a_row_of_a_table_that_does_not_fit_its_headers_is_a_bad_row(tmp_path: Path):
    (tmp_path / "a.csv").write_text("id,text\n1\n2,yes\n3,yes,no\n")
    short, good, long = rows_of(tmp_path / "a.csv")
    assert good.fields == {"id": "2", "text": "yes"}
    assert isinstance(short.content, UserError)
    assert short.content.what == "The row has 1 cells, but there are 2 headers."
    with pytest.raises(UserError, match="has 3 cells") as error:
        _ = long.fields
    assert error.value.where == f"{tmp_path / 'a.csv'}:4"


@pytest.mark.parametrize(
    ("data", "what", "where"),
    [
        (b"", "The table is empty", ""),
        (b'id,text\n1,yes\n2,"no\n3,yes\n', "a quote that begins a cell has no end", ":3"),
        (b'id,text\n1,"yes" no\n', "text follows the quote that ends a cell", ":2"),
        (b"id,id\n1,2\n", "Several columns have the header 'id'", ", headers"),
        (b"id,text\n1,yes\r2,no\n", "a carriage return without a line feed", ":2"),
        (b"id,text\n1,caf\xe9\n", "not UTF-8, for it has the byte 0xe9", ":2"),
    ],
)
def test_a_table_that_cannot_be_read_is_the_users_error(
    tmp_path: Path, data: bytes, what: str, where: str
):
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(UserError, match=what) as error:
        list(rows_of(tmp_path / "a.csv"))
    assert error.value.where == f"{tmp_path / 'a.csv'}{where}"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_csv_file_may_have_the_separator_of_another_country(tmp_path: Path, separator: str):
    (tmp_path / "a.csv").write_text(
        f'id{separator}"a,b;c"{separator}d\n1{separator}"x;y,z"{separator}2\n'
    )
    assert fields_of(tmp_path / "a.csv") == [{"id": "1", "a,b;c": "x;y,z", "d": "2"}]


def test_rows_and_columns_without_text_at_the_end_of_a_table_are_left_out(tmp_path: Path):
    (tmp_path / "a.csv").write_text("id,text,,\n1,yes,,\n,,,\n2,no\n")
    assert fields_of(tmp_path / "a.csv") == [{"id": "1", "text": "yes"}, {"id": "2", "text": "no"}]


def test_a_written_table_is_read_as_it_was(tmp_path: Path):
    rows = [{"id": "1", "text": 'a,b;"c"\nd'}, {"id": "2", "text": ""}]
    for name in ("a.csv", "a.tsv"):
        assert write_table(tmp_path / name, rows, ["id", "text"]) == 2
        assert fields_of(tmp_path / name) == rows


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "'=1", "''-", "'s"])
def test_a_text_is_never_written_as_a_formula(tmp_path: Path, text: str):
    path = tmp_path / "a.csv"
    write_table(path, [{"a": text, "b": -1.5}], ["a", "b"])
    (row,) = rows_of(path)
    assert row.fields["a"][0] not in "=+-@\t\r"
    assert without_guard(row.fields["a"]) == text
    assert row.fields["b"] == "-1.5"


def test_further_sheets_of_a_workbook_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    openpyxl = pytest.importorskip("openpyxl", reason="needs the extra tables")
    book = openpyxl.Workbook()
    for row in (("id", "text"), (1, "Yes")):
        book.active.append(row)
    book.create_sheet("Second")
    book.save(tmp_path / "a.xlsx")
    assert fields_of(tmp_path / "a.xlsx") == [{"id": "1", "text": "Yes"}]
    assert "only the sheet Sheet is read, not Second" in caplog.text


def test_a_workbooks_rows_may_be_shorter_than_its_headers(tmp_path: Path):
    openpyxl = pytest.importorskip("openpyxl", reason="needs the extra tables")
    book = openpyxl.Workbook(write_only=True)  # writes no size of the sheet
    sheet = book.create_sheet()
    for row in (("index", "text", "hint"), (1, "Yes"), (), (2.5, "No", None, None), (3, 4, 5, 6)):
        sheet.append(row)
    book.save(tmp_path / "a.xlsx")
    first, second, long = rows_of(tmp_path / "a.xlsx")
    assert first == Row(
        f"{tmp_path / 'a.xlsx'}, row 2", 2, {"index": "1", "text": "Yes", "hint": ""}
    )
    assert (second.number, second.fields) == (4, {"index": "2.5", "text": "No", "hint": ""})
    with pytest.raises(UserError, match="has 4 cells, but there are 3 headers"):
        _ = long.fields


@pytest.mark.parametrize(
    "sheet",
    [
        b"<worksheet><sheetData><row r='1'><c",
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        b'<row r="x"/></sheetData></worksheet>',
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        b'<row r="1"><c r="A1" t="s"><v>999</v></c></row></sheetData></worksheet>',
    ],
)
def test_a_damaged_sheet_is_the_users_error(tmp_path: Path, sheet: bytes):
    openpyxl = pytest.importorskip("openpyxl", reason="needs the extra tables")
    book = openpyxl.Workbook()
    for row in (("index", "prediction"), (1, "Yes")):
        book.active.append(row)
    book.save(tmp_path / "whole.xlsx")
    with (
        zipfile.ZipFile(tmp_path / "whole.xlsx") as whole,
        zipfile.ZipFile(tmp_path / "a.xlsx", "w") as damaged,
    ):
        for name in whole.namelist():
            part = whole.read(name)
            damaged.writestr(name, sheet if name.endswith("sheet1.xml") else part)
    with pytest.raises(UserError, match="can't be read"):
        list(rows_of(tmp_path / "a.xlsx"))


def test_without_openpyxl_a_workbook_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(UserError, match="needs the package openpyxl") as caught:
        list(rows_of(tmp_path / "a.xlsx"))
    assert "groundtune[tables]" in caught.value.fix
