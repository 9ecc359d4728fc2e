"""The recipes that come with Groundtune: their names, what they are for, and what they must be."""

import difflib
import importlib
from pathlib import Path
from typing import Any, NamedTuple, cast

from pydantic import BaseModel

from groundtune.errors import UserError
from groundtune.yaml_text import read_yaml


class ShippedRecipe(NamedTuple):
    """A recipe."""

    name: str
    command: str
    """The groundtune command that takes it."""
    about: str
    """Its first comment."""
    path: Path


class RecipeCommand(NamedTuple):
    """A command that takes a recipe, each part as "module:NAME", imported when it is used."""

    schema: str
    """The record of its settings."""
    rewrite: str = ""
    """Writes the report of a finished run's folder again; empty where runs of it have none."""
    data: str = ""
    """The setting that names the folder of its data; empty where a recipe has none."""


EDITOR_NOTE = "yaml-language-server: $schema="
"""Begins the comment that names a recipe's JSON Schema for editors."""

_HERE = "groundtune.pipeline."
RECIPE_COMMANDS: dict[str, RecipeCommand] = {
    "train": RecipeCommand(_HERE + "train.settings:TrainSettings", data="pairs"),
    "rl": RecipeCommand(_HERE + "rl.settings:RLSettings", data="prompts"),
    "reward train": RecipeCommand(_HERE + "reward.settings:RewardSettings", data="feedback"),
    "align": RecipeCommand(
        _HERE + "align.settings:AlignSettings", _HERE + "align.run:rewrite_align", data="prompts"
    ),
    "demo": RecipeCommand(
        _HERE + "world.demo_settings:DemoSettings", _HERE + "world.demo:rewrite_report"
    ),
    "study": RecipeCommand(
        _HERE + "world.study.settings:StudySettings", _HERE + "world.study.run:rewrite_study"
    ),
    "reward study": RecipeCommand(_HERE + "methods_study.reward_settings:RewardStudySettings"),
    "methods-study": RecipeCommand(_HERE + "methods_study.settings:MethodsStudySettings"),
}


def folder() -> Path:
    """Where the recipes are: in the installed package, or next to src/ in a checkout."""
    package = Path(__file__).parents[2]
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parents[1] / "recipes"


def schema_file(command: str) -> Path:
    """Return the shipped JSON Schema of a command's recipes, as `groundtune schema` writes it."""
    return folder() / "schemas" / f"{command.replace(' ', '-')}.schema.json"


def shipped() -> list[ShippedRecipe]:
    """All recipes, by name."""
    return [
        ShippedRecipe(path.stem, command_of(path), _about(path), path)
        for path in sorted(folder().glob("*.yaml"))
    ]


def find(name: str, command: str = "") -> Path:
    """Return the file of a recipe: a path, or the name of one that is shipped.

    Args:
        name: The path or name.
        command: The command that is to take the recipe; "" for any.

    Raises:
        UserError: there is no such recipe, or it is one of another command.
    """
    path = Path(name)
    if path.is_dir():
        raise UserError(
            "A folder is not a recipe.",
            name,
            "Give a recipe's name or a YAML file; folders are given as options, such as --pairs.",
        )
    if path.suffix not in (".yaml", ".yml") and not path.exists():
        path = _shipped_file(name)
    other = _command_in(path) or ("train" if path.parent == folder() else "")
    if command and other and other != command:
        raise UserError(
            f"This is a recipe of groundtune {other}, not of {command}.",
            name,
            f"Run groundtune {other} {name}, or give another recipe.",
        )
    return path


def _shipped_file(name: str) -> Path:
    names = sorted(file.stem for file in folder().glob("*.yaml"))
    if name in names:
        return folder() / f"{name}.yaml"
    near = difflib.get_close_matches(name, names, n=1)
    fix = f"Did you mean {near[0]}?" if near else f"The recipes are {', '.join(names)}."
    raise UserError(f"There is no recipe {name!r}.", name, fix)


def command_of(path: Path) -> str:
    """Return the command that takes a recipe: the value of its key `command`, or train."""
    return _command_in(path) or "train"


def _command_in(path: Path) -> str:
    """The value of the key `command`; "" without it, or where reading fails as it will again."""
    try:
        tree = read_yaml(path).value
    except UserError:
        return ""
    values = cast("dict[str, object]", tree) if isinstance(tree, dict) else {}
    return str(values.get("command", ""))


def schema_of(path: Path) -> type[BaseModel]:
    """What a recipe must be, by its command."""
    command = RECIPE_COMMANDS.get(command_of(path), RECIPE_COMMANDS["train"])
    return imported(command.schema)


def imported(target: str) -> Any:
    """Return what "module:NAME" names; its module is imported."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def _about(path: Path) -> str:
    """The first comment that is no note to an editor."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = (line.lstrip("# ").strip() for line in lines if line.startswith("#"))
    return next((text for text in comments if not text.startswith(EDITOR_NOTE)), "")
