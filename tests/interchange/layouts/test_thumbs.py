"""Thumbs: feedback on single answers becomes pairs one side of which does not count."""

import json
from pathlib import Path

import pytest
from layout_rows import images

from groundtune.cli.app import run
from groundtune.pipeline.runs.folder import RunFolder

UP = {"image": "a.jpg", "question": "What?", "answer": "A cup.", "good": True}
DOWN = {"image": "a.jpg", "question": "What?", "answer": "A dog.", "good": False}


def saved(folder: Path, *rows: object) -> Path:
    images(folder, "a.jpg")
    path = folder / "thumbs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_thumbs_are_rated_pairs_and_go_out_as_they_came_in(tmp_path: Path):
    path = saved(tmp_path, UP, DOWN)
    out = tmp_path / "out"
    assert run(["import", "thumbs", str(path), "--images", str(tmp_path), "--out", str(out)]) == 0
    pairs = RunFolder(out).pairs.read()
    rated = [(p.chosen, p.chosen_rating, p.rejected, p.rejected_rating) for p in pairs]
    assert rated == [("A cup.", 1, "-", 0), ("-", 0, "A dog.", -1)]
    copy = tmp_path / "copy.jsonl"
    assert run(["export", "thumbs", str(out), "--out", str(copy)]) == 0
    assert [json.loads(line) for line in copy.read_text().splitlines()] == [UP, DOWN]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({**UP, "good": "yes"}, "good"),
        ({**UP, "answer": " "}, "answer"),
        ({k: v for k, v in UP.items() if k != "image"}, "image"),
    ],
)
def test_a_row_that_says_nothing_is_named(
    row: object, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = saved(tmp_path, UP, row)
    line = ["import", "thumbs", str(path), "--images", str(tmp_path), "--out", str(tmp_path / "o")]
    assert run(line) == 2
    shown = capsys.readouterr().err
    assert f"{path}:2" in shown
    assert what in shown


def test_pairs_of_two_answers_are_no_thumbs(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rows = tmp_path / "pairs.jsonl"
    rows.write_text('{"prompt": "What?", "chosen": "A cup.", "rejected": "A cat."}\n')
    assert run(["import", "trl", str(rows), "--out", str(tmp_path / "in")]) == 0
    capsys.readouterr()
    out = str(tmp_path / "x.jsonl")
    assert run(["export", "thumbs", str(tmp_path / "in"), "--out", out]) == 2
    assert "single ones" in capsys.readouterr().err
