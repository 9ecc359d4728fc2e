"""docs/settings.md says what the settings say."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from groundtune.pipeline.recipes.registry import RECIPE_COMMANDS, imported

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "settings.md"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    found = importlib.util.spec_from_file_location("page", ROOT / "tools/make_settings_page.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def rows_below(heading: str) -> dict[str, list[str]]:
    """The cells of a section's rows, by the setting's name."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n{heading}\n")[2].partition("\n#")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:3] == "| `"]
    return {cells[0].strip("`"): cells for cells in rows}


def test_the_page_of_settings_is_what_the_schemas_say(maker: ModuleType) -> None:
    assert maker.page() == PAGE.read_text(encoding="utf-8"), "run make generated"


@pytest.mark.parametrize("command", RECIPE_COMMANDS)
def test_a_command_has_all_its_settings(command: str) -> None:
    fields = imported(RECIPE_COMMANDS[command].schema).model_fields
    assert rows_below(f"## `{command}`").keys() == fields.keys() - {"command"}


def test_every_setting_says_what_it_is() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    assert len(lines) > 400
    assert [line for line in lines if line.endswith("|  |")] == []


def test_types_and_defaults_are_those_of_the_code() -> None:
    train, groups = rows_below("## `train`"), rows_below("### Optim")
    assert train["pairs"][1:3] == ["path", "required"]
    assert train["epochs"][1:3] == ["whole number >= 1", "`7`"]
    assert train["method"][1].startswith("[`dpo`](methods.md#dpo), [`ddpo`](methods.md#ddpo)")
    assert groups["lr"][1:3] == ["number > 0", "`5e-07`"]


def test_a_command_names_the_defaults_that_differ_from_its_groups() -> None:
    assert rows_below("## `train`")["optim"][2] == ""
    other = "`lr=2e-05`, `schedule=constant`, `warmup=0.03`"
    assert rows_below("## `reward train`")["optim"][2] == other
    assert rows_below("## `rl`")["tune"][2] == "`dropout=0.0`, `type=lora`"


def test_a_default_within_a_group_within_a_group_has_its_whole_name(maker: ModuleType) -> None:
    optim = {"properties": {"lr": {"default": 1.0}, "clip": {"default": 1.0}}}
    learn = {"properties": {"optim": {"$ref": "#/$defs/Optim", "default": {"lr": 1.0}}}}
    field = {"$ref": "#/$defs/Learn", "default": {"optim": {"lr": 2.0}}}
    assert maker.default_of(field, {"Optim": optim, "Learn": learn}) == "`optim.lr=2.0`"
