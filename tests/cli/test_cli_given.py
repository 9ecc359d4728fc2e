"""The words of a command as a recipe and settings."""

from pathlib import Path

import pytest

from groundtune.cli.app import EXIT_INPUT, run
from groundtune.cli.given import read_words


def test_a_recipe_is_separate_from_settings():
    given = read_words(["a.b=1", "my recipe.yaml", "c=x=y"])
    assert given.recipe == "my recipe.yaml"
    assert given.path == Path("my recipe.yaml")
    assert given.settings == ["a.b=1", "c=x=y"]


def test_no_recipe_is_none():
    assert read_words(["a=1"]) == ("", ["a=1"])
    assert read_words([]).path is None


@pytest.mark.parametrize("command", ["align", "study", "demo", "train", "label --answers a"])
def test_a_second_recipe_is_refused(command: str, capsys: pytest.CaptureFixture[str]):
    assert run([*command.split(), "one.yaml", "two.yaml"]) == EXIT_INPUT
    assert capsys.readouterr().err.splitlines()[0] == "error: More than one recipe is given."
