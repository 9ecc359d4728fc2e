"""The recipes that come with Groundtune: their names, what they are for, and what they must be."""

import difflib
from pathlib import Path
from typing import NamedTuple, cast

import yaml
from pydantic import BaseModel

from groundtune.errors import UserError


class Shipped(NamedTuple):
    """A recipe."""

    name: str
    command: str
    """The groundtune command that takes it."""
    about: str
    """Its first comment."""
    path: Path


def folder() -> Path:
    """Where the recipes are: in the installed package, or beside src/ in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parents[1] / "recipes"


def shipped() -> list[Shipped]:
    """All recipes, by name."""
    return [
        Shipped(path.stem, command_of(path), _about(path), path)
        for path in sorted(folder().glob("*.yaml"))
    ]


def find(name: str) -> Path:
    """The file of a recipe: a path, or the name of one that is shipped.

    Raises:
        UserError: there is neither.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.exists():
        return path
    names = [recipe.name for recipe in shipped()]
    if name in names:
        return folder() / f"{name}.yaml"
    near = difflib.get_close_matches(name, names, n=1)
    fix = f"did you mean {near[0]}?" if near else f"the recipes are {', '.join(names)}"
    raise UserError(f"there is no recipe {name!r}", name, fix)


def command_of(path: Path) -> str:
    """The command that takes a recipe: what its key `command` says, or train."""
    try:
        tree: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return "train"  # the command itself says what is wrong with it
    values = cast("dict[str, object]", tree) if isinstance(tree, dict) else {}
    return str(values.get("command", "train"))


def schema_of(path: Path) -> type[BaseModel]:
    """What a recipe must be, by its command."""
    command = command_of(path)
    if command == "demo":
        from groundtune.pipeline.world.demo_settings import DemoSettings

        return DemoSettings
    if command == "align":
        from groundtune.pipeline.align.settings import AlignSettings

        return AlignSettings
    if command == "study":
        from groundtune.pipeline.world.study.settings import StudySettings

        return StudySettings
    from groundtune.pipeline.train.run import TrainParams

    return TrainParams


def _about(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    first = lines[0] if lines else ""
    return first.lstrip("# ").strip() if first.startswith("#") else ""
