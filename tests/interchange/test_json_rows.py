import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layout_rows import rows_of

from groundtune.errors import UserError
from groundtune.interchange import json_rows
from groundtune.interchange.json_rows import count_lines, read_json, write_json

NAME = st.text(max_size=3)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAME, inner, max_size=2),
    max_leaves=5,
)
ROWS = st.lists(st.dictionaries(st.text(max_size=4), VALUE, max_size=3), max_size=4)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ROWS, st.sampled_from([".json", ".jsonl"]), st.integers(1, 9))
def test_rows_written_are_read_whatever_fits_into_memory(
    tmp_path: Path, rows: list[dict[str, object]], ending: str, chunk: int
):
    path = tmp_path / f"rows{ending}"
    assert write_json(path, rows) == len(rows)
    assert rows_of(path) == rows
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_rows, "_CHUNK", chunk)
        assert [found.row for found in read_json(path)] == rows


def test_lists_are_known_by_how_they_begin_and_lines_may_be_empty(tmp_path: Path):
    path = tmp_path / "rows.json"
    path.write_bytes(b'\xef\xbb\xbf\n {"a": 1}\n\n{"a": 2}\r\n')
    assert [found.row for found in read_json(path)] == [{"a": 1}, {"a": 2}]
    assert count_lines(path) == 2
    path.write_bytes(b'\xef\xbb\xbf [{"a": 1} ,\n{"a": 2}]\n ')
    assert [found.row for found in read_json(path)] == [{"a": 1}, {"a": 2}]
    assert count_lines(path) is None


BAD = [b"{'a': 1}", b'{"a": ', b"3", b'"text"', b"\xff", b'{"a": "\\ud800"}', b"[" * 9000 + b"1"]


@pytest.mark.parametrize("line", BAD)
def test_a_bad_line_is_an_error_of_that_line_alone(tmp_path: Path, line: bytes):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n' + line + b'\n{"a": 2}\n')
    found = list(read_json(path))
    assert [found[0].row, found[2].row] == [{"a": 1}, {"a": 2}]
    assert isinstance(found[1].row, UserError)
    assert found[1].row.where == f"{path}, line 2"


@pytest.mark.parametrize(
    "text", ['[{"a": 1}', '[{"a": 1} {}]', '[{"a": 1}] 3', "[{'a': 1}]", "[1,"]
)
def test_a_list_that_is_not_whole_is_an_error(tmp_path: Path, text: str):
    path = tmp_path / "rows.json"
    path.write_text(text)
    with pytest.raises(UserError, match="list is not JSON"):
        list(read_json(path))


def test_a_member_that_is_no_object_is_a_bad_row(tmp_path: Path):
    path = tmp_path / "rows.json"
    path.write_text('[{"a": 1}, 3, {"a": 2}]')
    first, second, third = (found.row for found in read_json(path))
    assert (first, third) == ({"a": 1}, {"a": 2})
    assert isinstance(second, UserError)
    assert second.where == f"{path}, row 1"


def test_a_stop_on_the_way_leaves_no_file(tmp_path: Path):
    def rows():
        yield {"a": 1}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_json(tmp_path / "rows.json", rows())
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_is_one_object_a_line(tmp_path: Path):
    write_json(tmp_path / "rows.jsonl", [{"a": "\u2028\n"}, {"b": "é"}])
    assert (tmp_path / "rows.jsonl").read_bytes().count(b"\n") == 2
    assert json.loads((tmp_path / "rows.jsonl").read_bytes().split(b"\n")[1]) == {"b": "é"}
