"""JSON is written in one place, where a value that is not a number stops the command."""

import json
import math
import re
from pathlib import Path

import pytest

import groundtune
from groundtune.errors import UserError
from groundtune.records import Estimate, Score, Span
from groundtune.store.dataset import RecordSet
from groundtune.store.json_writing import json_of, write_object
from groundtune.store.lines import CheckedLines
from groundtune.store.rows import write_json

BROKEN = [math.nan, math.inf, -math.inf]
ESTIMATE = Estimate(model="m", benchmark="b", metric="x", value=0.5, low=0.0, high=1.0, n=3)


@pytest.mark.parametrize("value", BROKEN)
def test_a_value_that_is_not_a_number_is_named_and_nothing_is_written(tmp_path: Path, value: float):
    file = tmp_path / "a.json"
    for whole in (
        {"rows": [1, {"low": value}]},
        {"rows": [ESTIMATE, ESTIMATE.model_copy(update={"low": value})]},
    ):
        with pytest.raises(UserError, match=r"The value rows\.1\.low is not a number") as raised:
            write_object(file, whole)
        assert raised.value.where == str(file)
    assert not file.exists()


def test_records_paths_and_texts_of_any_language_are_written(tmp_path: Path):
    value = {"estimate": ESTIMATE, "file": tmp_path, "text": "Gr\u00fc\u00dfe"}
    wanted = {"estimate": ESTIMATE.model_dump(), "file": str(tmp_path), "text": "Gr\u00fc\u00dfe"}
    assert json.loads(json_of(value)) == wanted
    assert json.loads(json_of(value, ascii=True, compact=True)) == wanted
    assert json_of(value, ascii=True).isascii()
    assert (
        json.loads(write_object(tmp_path / "a.json", value, indent=1).read_text("utf-8")) == wanted
    )


@pytest.mark.parametrize("value", BROKEN)
def test_rows_and_log_lines_refuse_it_too(tmp_path: Path, value: float):
    with pytest.raises(UserError, match="The value score is not a number") as raised:
        write_json(tmp_path / "rows.jsonl", [{"score": 1.0}, {"score": value}])
    assert raised.value.where.endswith("rows.jsonl, row 2")
    assert not (tmp_path / "rows.jsonl").exists()
    lines = CheckedLines(tmp_path / "log.jsonl", [{"loss": 1.0}])
    before = lines.path.read_bytes()
    with pytest.raises(UserError, match="The value loss is not a number"):
        lines.append({"loss": value})
    assert lines.path.read_bytes() == before
    lines.append({"loss": 0.5})


@pytest.mark.parametrize("value", BROKEN)
@pytest.mark.parametrize("change", ["values", "spans"])
def test_records_refuse_it_at_any_depth(tmp_path: Path, value: float, change: str):
    fields = {"key": "k", "benchmark": "b", "item": "i", "image": "x", "model": "m"}
    span = Span(start=0, end=1)
    good = Score.model_validate({**fields, "values": {"right": 1.0}, "spans": [span]})
    broken = span.model_copy(update={"severity": value})
    changed: dict[str, object] = {"values": {"right": value}, "spans": (broken,)}
    bad = good.model_copy(update={"key": "l", change: changed[change]})
    scores = RecordSet(tmp_path, Score)
    scores.append([good])
    with pytest.raises(UserError, match=f"The column {change} holds a value that is not a number"):
        scores.append([good.model_copy(update={"key": "m"}), bad])
    assert scores.read() == [good]


def test_no_other_file_writes_json():
    """Where a text is only shown or hashed it is said so here."""
    shown = {"pipeline/sample/prompts.py", "pipeline/check/people.py", "store/rows.py"}
    shown |= {"bench/tasks/mhumaneval.py", "store/json_text.py"}
    hashed = {"pipeline/train/inputs.py", "store/keys.py", "vlm/revision.py"}
    hashed |= {"bench/files/foreign_logs.py"}
    root = Path(groundtune.__file__).parent
    found = {
        str(file.relative_to(root).as_posix())
        for file in root.rglob("*.py")
        if re.search(
            r"json(_module)?\.(dumps?|JSONEncoder)\(|model_dump_json\(", file.read_text("utf-8")
        )
    }
    assert found == {"store/json_writing.py", *shown, *hashed}
