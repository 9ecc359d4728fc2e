"""The words of a command as a recipe and settings."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from groundtune.cli.app import EXIT_INPUT, run
from groundtune.cli.given import as_settings, read_words


def test_a_recipe_is_told_from_settings_and_options_come_last():
    words = ["a.b=1", "my recipe.yaml", "c=x=y"]
    told = read_words(words, {"c": "z", "unset": None, "d": True, "e": 0.5, "f": Path("p q")})
    assert told.recipe == "my recipe.yaml"
    assert told.path == Path("my recipe.yaml")
    assert told.settings == ["a.b=1", "c=x=y", 'c="z"', "d=true", "e=0.5", 'f="p q"']


def test_no_recipe_is_none():
    assert read_words(["a=1"]) == ("", ["a=1"])
    assert read_words([]).path is None


@pytest.mark.parametrize("command", ["align", "study", "demo", "train", "label --answers a"])
def test_a_second_recipe_is_refused(command: str, capsys: pytest.CaptureFixture[str]):
    assert run([*command.split(), "one.yaml", "two.yaml"]) == EXIT_INPUT
    assert capsys.readouterr().err.splitlines()[0] == "error: More than one recipe is given."


@given(st.text() | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False))
def test_an_option_is_read_back_as_it_was_given(value: object):
    (told,) = as_settings({"name": value})
    name, _, text = told.partition("=")
    assert name == "name"
    if isinstance(value, float):  # YAML takes 1e+16 for text; a recipe's fields are typed
        assert float(yaml.safe_load(text)) == value
    else:
        assert yaml.safe_load(text) == value
