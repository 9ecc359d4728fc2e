"""Rows of JSON files: one reader for answers, prompts, replies, imports and marks."""

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundtune.errors import UserError
from groundtune.store import json_text
from groundtune.store.rows import (
    Row,
    beginning,
    count_lines,
    json_file,
    json_members,
    json_rows,
    open_text,
    text_field,
    write_json,
)

NAME = st.text(max_size=3)
VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAME, inner, max_size=2),
    max_leaves=5,
)
ROWS = st.lists(st.dictionaries(st.text(max_size=4), VALUE, max_size=3), max_size=4)
IN_PIECES = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.json"


def fields_of(path: Path) -> list[object]:
    return [row.fields for row in json_rows(path)]


@IN_PIECES
@given(ROWS, st.sampled_from([".json", ".jsonl"]), st.integers(1, 9))
def test_rows_written_are_read_whatever_fits_into_memory(
    path: Path, rows: list[dict[str, object]], ending: str, chunk: int
):
    path = path.with_suffix(ending)
    assert write_json(path, rows) == len(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "CHUNK", chunk)
        assert fields_of(path) == rows


@IN_PIECES
@given(ROWS, st.sampled_from([None, 3]), st.booleans(), st.integers(1, 9))
def test_a_list_and_an_objects_lists_are_read_as_json_reads_them(
    path: Path, rows: list[dict[str, object]], indent: int | None, escaped: bool, chunk: int
):
    path.write_text(json.dumps(rows, indent=indent, ensure_ascii=escaped), encoding="utf-8")
    holder = path.with_name("holder.json")
    whole = {"skipped": [rows, {"kept": 1}], "kept": rows, "last": {"a": rows}}
    holder.write_text(json.dumps(whole, indent=indent, ensure_ascii=escaped), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "CHUNK", chunk)
        assert fields_of(path) == rows
        assert json_file(holder, "") == whole
        kept = json_members(holder, {"kept"}, fix="")
        assert [(key, row.fields) for key, row in kept] == [("kept", row) for row in rows]


def test_a_list_is_known_by_how_it_begins_and_lines_may_be_blank(path: Path):
    path.write_bytes(b'\xef\xbb\xbf\n {"a": 1}\n\n{"a": 2}\r\n')
    assert list(json_rows(path)) == [
        Row(f"{path}:2", 2, {"a": 1}),
        Row(f"{path}:4", 4, {"a": 2}),
    ]
    assert count_lines(path) == 2
    path.write_bytes(b'\xef\xbb\xbf [{"a": 1} ,\n{"a": 2}]\n ')
    assert list(json_rows(path)) == [
        Row(f"{path}, row 1", 1, {"a": 1}),
        Row(f"{path}, row 2", 2, {"a": 2}),
    ]
    assert count_lines(path) is None
    path.write_bytes(b"\n")
    assert list(json_rows(path)) == []


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_only_a_line_feed_ends_a_line_and_utf_8_may_begin_with_a_mark(
    path: Path, mark: str, end: str
):
    rows = [{"a": f"one{each}two", "b": "\u00fc\U0001f600"} for each in "\u2028\u2029\x85\x7f"]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_bytes((mark + end.join(lines) + end).encode())
    assert fields_of(path) == rows
    path.write_bytes((mark + json.dumps(rows, ensure_ascii=False)).encode())
    assert fields_of(path) == rows


BAD = {
    "at character 2": b"{'a': 1}",
    "Expecting value at character 8": b'{"a": ',
    "Extra data at character 10": b'{"a": 1} {}',
    "Invalid control character at character 9": b'{"a": "x\ry"}',
    "not a JSON object": b"3",
    "is not a JSON object": b'"text"',
    "not UTF-8, for it has the byte 0xff": b'{"a": "\xff"}',
    "half a character (a lone surrogate, \\ud800)": b'{"a": "\\uD800"}',
    "half a character (a lone surrogate, \\udead)": b'{"\\udead": 1}',
    "an integer has too many digits": b'{"a": ' + b"1" * 5000 + b"}",
    "nested more than 100 deep": b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}",
    "is nested more than 100 deep": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("says", BAD)
def test_a_bad_line_is_an_error_of_that_line_alone(path: Path, says: str):
    path.write_bytes(b'{"a": 1}\n' + BAD[says] + b'\n{"a": 2}\n')
    first, bad, last = json_rows(path, "Fix it.")
    assert (first.fields, last.fields) == ({"a": 1}, {"a": 2})
    with pytest.raises(UserError) as error:
        _ = bad.fields
    assert says in error.value.what
    assert (error.value.where, error.value.fix) == (f"{path}:2", "Fix it.")


def test_what_json_may_say_is_read(path: Path):
    row = {"a": "\U0001f600", "b": r"\ud800", "c": [[[[]]] * 200], "d": 10**4000, "e": "[" * 300}
    path.write_text(json.dumps(row))
    assert fields_of(path) == [row]
    path.write_text('{"a": NaN, "b": -Infinity, "c": 1, "c": 2}')
    (read,) = json_rows(path)
    assert read.fields["a"] != read.fields["a"]
    assert (read.fields["b"], read.fields["c"]) == (float("-inf"), 2)


@pytest.mark.parametrize(
    ("text", "why", "where"),
    [
        ('[{"a": 1}', "Expecting ','", "row 1 (line 1, column 10)"),
        ('[{"a": 1} {}]', "Expecting ','", "row 1 (line 1, column 11)"),
        ('[{"a": 1}\n] 3', "there is more text after the end of the JSON", " (line 2, column 3)"),
        ('[{"a": 1}]\n[{"a": 2}]', "more text after the end", " (line 2, column 1)"),
        ("[\n\n {'a': 1}]", "property name enclosed in double quotes", "row 1 (line 3, column 3)"),
        ("[1,", "Expecting value", "row 2 (line 1, column 4)"),
        ("[1,]", "Expecting value", "row 2 (line 1, column 4)"),
        ('[{"a": "x\ny"}]', "Invalid control character", "row 1 (line 1, column 10)"),
        ('[{"a": "x', "Unterminated string", "row 1 (line 1, column 8)"),
        ('[1,\n{"a": ' + "1" * 5000 + "}]", "too many digits", "row 2 (line 2, column 1)"),
        ("[1,\n" + "[" * 100_000, "nested more than 100 deep", "row 2 (line 2, column 1)"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 1 << 20])
def test_a_list_that_is_no_json_is_an_error_that_names_line_and_column(
    path: Path, monkeypatch: pytest.MonkeyPatch, text: str, why: str, where: str, chunk: int
):
    monkeypatch.setattr(json_text, "CHUNK", chunk)
    path.write_text(text)
    with pytest.raises(UserError) as error:
        list(json_rows(path))
    assert why in error.value.what
    assert error.value.where.endswith(where)


def test_a_list_that_is_not_utf_8_is_an_error_that_names_line_and_column(path: Path):
    path.write_bytes(b'[{"a": 1},\n {"a": "caf\xe9"}]')
    with pytest.raises(UserError, match="it is not UTF-8, for it has the byte 0xe9") as error:
        list(json_rows(path))
    assert error.value.where == f"{path}, row 2 (line 2, column 12)"


def test_a_member_that_is_no_object_is_a_bad_row(path: Path):
    path.write_text('[{"a": 1}, 3, {"a": "\\ud800"}, {"a": 2}]')
    first, number, half, last = json_rows(path)
    assert (first.fields, last.fields) == ({"a": 1}, {"a": 2})
    assert isinstance(number.content, UserError)
    assert (number.content.what, number.content.where) == (
        "The row is not a JSON object.",
        f"{path}, row 2",
    )
    assert isinstance(half.content, UserError)
    assert "half a character" in half.content.what


def long_rows(number: int) -> Iterator[dict[str, str]]:
    return ({"id": str(each), "text": "a farm " * 10_000} for each in range(number))


def test_memory_does_not_grow_with_a_list(path: Path):
    peaks: list[int] = []
    for number in (50, 500):
        write_json(path, long_rows(number))
        tracemalloc.start()
        assert sum(1 for _ in json_rows(path)) == number
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert path.stat().st_size > 30 << 20
    assert peaks[1] < peaks[0] + (1 << 20) < 8 << 20


def test_a_mistake_at_the_start_is_found_without_the_rest(path: Path):
    write_json(path, long_rows(500))
    path.write_bytes(path.read_bytes().replace(b'"id"', b"id", 1))
    tracemalloc.start()
    with pytest.raises(UserError, match="Expecting property name"):
        list(json_rows(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_an_object_of_lists_is_read_row_by_row(path: Path):
    path.write_text('{"info": {"a": [1, {}]}, "rows": [{"a": 1}, 2], "more": {"x": {"a": 3}}}')
    first, bad = json_members(path, {"rows"}, fix="Fix it.")
    assert first == ("rows", Row(f"{path}, rows 1", 1, {"a": 1}))
    assert isinstance(bad[1].content, UserError)
    assert bad[1].content.where == f"{path}, rows 2"
    ((key, row),) = json_members(path, {"more"}, inner=True, fix="")
    assert (key, row.fields) == ("more", {"a": 3})


@pytest.mark.parametrize("text", ["[1]", '{"a": 1,}', '{"a" 1}', '{"a": 1} {}', "", "{1: 2}"])
def test_what_is_no_object_has_no_members(path: Path, text: str):
    path.write_text(text)
    with pytest.raises(UserError, match="is not JSON"):
        list(json_members(path, {"rows"}, fix=""))


def test_a_file_begins_with_its_first_character(path: Path):
    path.write_bytes(b'\xef\xbb\xbf \n\t{"a": "\xe9"}')
    assert beginning(path) == '{"a": "\ufffd"}'
    path.write_bytes(b" " * 5000 + b"[")
    assert beginning(path) == "["
    path.write_bytes(b"")
    assert beginning(path) == ""


@pytest.mark.parametrize("read", [json_rows, count_lines, json_file, beginning])
def test_a_file_that_is_not_there_or_no_file_is_the_users_error(tmp_path: Path, read: object):
    def all_of(path: Path):
        found = read(path)  # pyright: ignore[reportCallIssue, reportUnknownVariableType]
        return list(found) if read is json_rows else found  # pyright: ignore

    with pytest.raises(UserError, match="The file doesn't exist"):
        all_of(tmp_path / "no.json")
    with pytest.raises(UserError, match="Is a directory"):
        all_of(tmp_path)


def test_a_text_that_is_opened_names_itself_when_it_is_no_utf_8(tmp_path: Path):
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    with pytest.raises(UserError) as error, open_text(tmp_path / "a.txt") as file:
        file.read()
    assert error.value.where == str(tmp_path / "a.txt")


def test_a_column_that_must_be_text_says_what_it_is():
    row = Row("rows.json:3", 3, {"a": 1})
    with pytest.raises(UserError, match=r'"a" is 1, but must be text.\nwhere: rows.json:3'):
        text_field(row, "a")
    with pytest.raises(UserError, match='"b" is missing'):
        text_field(row, "b")


def test_a_stop_on_the_way_leaves_no_file(tmp_path: Path):
    def rows():
        yield {"a": 1}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_json(tmp_path / "rows.json", rows())
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_is_one_object_a_line(tmp_path: Path):
    write_json(tmp_path / "rows.jsonl", [{"a": "\u2028\n"}, {"b": "\u00e9"}])
    assert (tmp_path / "rows.jsonl").read_bytes().count(b"\n") == 2
    assert json.loads((tmp_path / "rows.jsonl").read_bytes().split(b"\n")[1]) == {"b": "\u00e9"}
