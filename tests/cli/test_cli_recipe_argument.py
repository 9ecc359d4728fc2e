"""RECIPE and the settings after it."""

from pathlib import Path

import pytest

from groundtune.cli.app import EXIT_INPUT, run
from groundtune.cli.recipe_argument import read_recipe
from groundtune.errors import UserError
from groundtune.pipeline.annotate.results import ProjectPairSettings


def test_a_recipe_comes_before_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("my recipe.yaml").touch()
    source = read_recipe("my recipe.yaml", ["a.b=1", "c=x=y"])
    assert source.recipe == "my recipe.yaml"
    assert source.settings == ["a.b=1", "c=x=y"]


def test_options_override_settings_settings_the_recipe_and_it_its_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text("cap: 1\nseed: 1\nmin_agreement: 0.5\n", encoding="utf-8")
    source = read_recipe("a.yaml", ["cap=2", "seed=2"])
    base = {"cap": 0, "min_agreement": 0.1, "min_gold": 0.1}
    found = source.load(ProjectPairSettings, {"cap": 3, "min_gold": None}, base=base)
    assert (found.cap, found.seed, found.min_agreement, found.min_gold) == (3, 2, 0.5, 0.1)


def test_a_recipe_of_a_command_without_shipped_ones_is_a_file():
    with pytest.raises(UserError, match="There is no recipe file"):
        read_recipe("b.yaml", []).load(ProjectPairSettings)


def test_the_recipe_may_be_left_out():
    assert read_recipe("a=1", ["b=2"]) == ("", ["a=1", "b=2"])
    assert read_recipe(None, []).load(ProjectPairSettings) == ProjectPairSettings()


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
