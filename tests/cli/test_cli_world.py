"""`groundtune world` as a user runs it."""

import json
import shlex
from pathlib import Path

import pytest
from PIL import Image

from groundtune.cli import app
from groundtune.world.scenes import scene


def test_show_draws_a_sheet_and_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "sheet.png"
    assert app.run(["world", "show", "--count", "2", "--out", str(out)]) == 0
    told = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert told["scenes"] == "2"
    assert told["wrote"] == str(out)
    assert told["next"].startswith("groundtune world show ")
    with Image.open(out) as sheet:
        assert sheet.format == "PNG"
        assert sheet.width > 700


def test_the_next_command_shows_the_next_scenes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--count", "1", "--start", "3", "--stratum", "replaced"]
    out = ["--json", "--out", str(tmp_path / "sheet.png")]
    assert app.run(["world", "show", *arguments, *out]) == 0
    first = json.loads(capsys.readouterr().out)
    assert [told["key"] for told in first["scenes"]] == ["development/replaced/3"]
    assert app.run([*shlex.split(first["next"])[1:], "--json"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert [told["key"] for told in second["scenes"]] == ["development/replaced/4"]


def test_json_has_the_truth_of_each_scene(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--json", "--out", str(tmp_path / "sheet.png")]
    assert app.run(["world", "show", "--count", "3", *out]) == 0
    told = json.loads(capsys.readouterr().out)["scenes"]
    for index, entry in enumerate(told):
        found = scene("development", index)
        assert entry["context"] == found.context
        assert [o["category"] for o in entry["objects"]] == [t.category for t in found.things]
        assert [o["number"] for o in entry["objects"]] == [t.number for t in found.things]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--count", "0"], "A sheet can't hold 0 scenes"),
        (["--count", "1000"], "A sheet can't hold 1000 scenes"),
        (["--start", "-1"], "index of the first scene is negative"),
        (["--columns", "0"], "0 columns"),
        (["--out", "sheet.jpg"], "The sheet is a PNG file"),
        (["--split", "test"], "test"),
        (["--stratum", "odd"], "odd"),
    ],
)
def test_bad_input_is_an_error_of_three_lines(
    arguments: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert app.run(["world", "show", *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0].strip() for line in lines[-3:]] == ["error", "where", "fix"]
    assert says in lines[-3]
    assert list(tmp_path.iterdir()) == []


def test_training_refuses_what_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["world", "train", "huge"]) == 2
    assert "huge" in capsys.readouterr().err
    assert app.run(["world", "train", "base", "--seed", "-1"]) == 2
    assert "The seed is negative" in capsys.readouterr().err


def test_answers_about_written_scenes_are_judged_and_then_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, answers = tmp_path / "my data", tmp_path / "answers.json"
    assert app.run(["world", "data", "--scenes", "3", "--out", str(data), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 3
    answers.write_text(json.dumps(dict.fromkeys("123", "There are nine toilets.")))
    replies = tmp_path / "replies.jsonl"
    judge = ["world", "judge", "shr", str(answers), "--data", str(data), "--out", str(replies)]
    assert app.run([*judge, "--json"]) == 0
    score = shlex.split(json.loads(capsys.readouterr().out)["next"])[1:]
    assert app.run([*score, "--out", str(tmp_path / "scores")]) == 0
    assert "100.0%" in capsys.readouterr().out


@pytest.mark.slow
def test_a_models_mmhal_is_answered_judged_and_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    assert app.run(["world", "data", "--scenes", "120", "--out", str(data), "--json"]) == 0
    files = ["--data", str(data / "mmhal"), "--images", str(data / "images")]
    for out in ("first", "second"):
        run = ["bench", "run", "world:base", "mmhal", *files, "--out", str(tmp_path / out)]
        assert app.run(run) == 2
        assert "needs a judge" in capsys.readouterr().err
        replies = tmp_path / f"{out}.jsonl"
        judge = ["world", "judge", "mmhal", str(tmp_path / out), "--data", str(data)]
        errors = ["--error-rate", "1"] if out == "second" else []
        assert app.run([*judge, *errors, "--out", str(replies)]) == 0
        assert app.run([*run, "--judge-replies", str(replies), "--json"]) == 0
        capsys.readouterr()
    summaries = [
        json.loads((tmp_path / out / "summary.json").read_text()) for out in ("first", "second")
    ]
    rates = [
        next(e["value"] for e in each if e["metric"] == "hallucination_rate") for each in summaries
    ]
    assert rates[0] == pytest.approx(24 / 96)  # what docs/measured/reinforcement.md says of it
    assert rates[1] == pytest.approx(1 - rates[0])  # every verdict reversed


def test_an_error_rate_that_is_no_share_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge = ["world", "judge", "mmhal", "a.json", "--data", "d", "--out", str(tmp_path / "r.jsonl")]
    assert app.run([*judge, "--error-rate", "2"]) == 2
    assert "error rate isn't a share" in capsys.readouterr().err
