"""`groundtune recipes` as a user runs it."""

import json
from pathlib import Path

import pytest

from groundtune.cli.app import EXIT_INPUT, run


def test_recipes_are_listed_with_what_they_are_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("world-demo") and "demo: " in line for line in lines)
    assert any(line.startswith("world-dpo") and "train: " in line for line in lines)


def test_a_recipe_is_shown_and_copied_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["recipes", "show", "world-study"]) == 0
    text = capsys.readouterr().out
    assert run(["recipes", "copy", "world-study"]) == 0
    assert (tmp_path / "world-study.yaml").read_text() == text
    assert "groundtune study world-study.yaml" in capsys.readouterr().out
    assert run(["recipes", "copy", "world-study"]) == EXIT_INPUT


def test_every_setting_is_shown_with_where_it_comes_from(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["recipes", "show", "world-align", "rounds=3", "--resolved"]) == 0
    rows = {
        words[0]: words[1:]
        for line in capsys.readouterr().out.splitlines()
        if (words := line.split())
    }
    assert rows["rounds"] == ["3", "override"]
    assert rows["feedback.batch_size"] == ["100", "file"]
    assert rows["learn.micro_tokens"] == ["4096", "default"]
    assert run(["recipes", "show", "world-align", "--resolved", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["settings"]
    assert shown["rounds"] == {"value": 2, "origin": "file"}
    assert run(["recipes", "show", "world-align", "rounds=2"]) == EXIT_INPUT


def test_a_misspelt_recipe_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "show", "world-dmeo"]) == EXIT_INPUT
    assert "Did you mean world-demo?" in capsys.readouterr().err


def test_train_takes_a_recipe_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "world-dop", "--dry-run"]) == EXIT_INPUT
    assert "Did you mean world-dpo?" in capsys.readouterr().err
    assert run(["train", "world-dpo", "pairs=nowhere", "--dry-run"]) == EXIT_INPUT
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("align world-ddpo", "This is a recipe of groundtune train, not of align."),
        ("demo world-align", "This is a recipe of groundtune align, not of demo."),
        ("train mine.yaml", "This is a recipe of groundtune study, not of train."),
        ("train folder", "A folder is not a recipe."),
        ("sample world:base --out x", "There is no recipe file 'world:base'."),
        ("label folder --answers x", "There is no recipe file 'folder'."),
    ],
)
def test_what_is_no_recipe_of_the_command_is_refused(
    words: str,
    what: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("mine.yaml").write_text("command: study\n")
    assert run(words.split()) == EXIT_INPUT
    assert capsys.readouterr().err.splitlines()[0] == f"error: {what}"
