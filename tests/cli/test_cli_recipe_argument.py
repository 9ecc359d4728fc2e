"""RECIPE and the settings after it."""

from pathlib import Path

import pytest

from groundtune.cli.app import EXIT_INPUT, run
from groundtune.cli.recipe_argument import read_recipe


def test_a_recipe_comes_before_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("my recipe.yaml").touch()
    source = read_recipe("my recipe.yaml", ["a.b=1", "c=x=y"])
    assert source.recipe == "my recipe.yaml"
    assert source.path == Path("my recipe.yaml")
    assert source.settings == ["a.b=1", "c=x=y"]


def test_the_recipe_may_be_left_out():
    assert read_recipe("a=1", ["b=2"]) == ("", ["a=1", "b=2"])
    assert read_recipe(None, []).path is None


def test_a_file_with_an_equals_sign_in_its_name_is_a_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("lr=1.yaml").touch()
    assert read_recipe("lr=1.yaml", ["b=2"]) == ("lr=1.yaml", ["b=2"])


@pytest.mark.parametrize("command", ["align", "study", "demo", "train", "label --answers a"])
def test_a_second_recipe_is_refused(command: str, capsys: pytest.CaptureFixture[str]):
    assert run([*command.split(), "one.yaml", "two.yaml"]) == EXIT_INPUT
    assert capsys.readouterr().err.splitlines() == [
        "error: 'two.yaml' is not a setting.",
        "where: two.yaml",
        "fix: Give at most one recipe, and after it settings as key=value.",
    ]
