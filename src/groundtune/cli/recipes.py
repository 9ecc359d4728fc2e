"""`groundtune recipes`: list, show, copy."""

import sys
from collections.abc import Sequence
from pathlib import Path

from groundtune.cli.recipe_argument import Settings


def list_(*, json: bool = False) -> None:
    """List the recipes that come with Groundtune.

    For example:

        groundtune recipes list

    Args:
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.pipeline.recipes import shipped

    recipes = shipped()
    finish(
        {recipe.name: f"{recipe.command}: {recipe.about}" for recipe in recipes},
        next_command=["groundtune", "recipes", "show", recipes[0].name],
        json=json,
    )


def show(name: str, /, *settings: Settings, resolved: bool = False, json: bool = False) -> None:
    """Print a recipe, or all its settings with where each comes from.

    For example:

        groundtune recipes show world-ddpo
        groundtune recipes show world-align rounds=2 --resolved

    Args:
        name: Name of a recipe, from `groundtune recipes list`, or a YAML file.
        settings: Settings that override the recipe, for --resolved.
        resolved: Print every setting, its value, and whether it is a default, from the file or an
            override.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.errors import UserError
    from groundtune.pipeline.recipes import find

    path = find(name)
    if resolved:
        _show_resolved(path, settings, json)
        return
    if settings:
        raise UserError("A recipe's text has no overrides.", settings[0], "Add --resolved.")
    text = path.read_text(encoding="utf-8")
    if json:
        finish({"name": name, "text": text}, json=True)
    else:
        sys.stdout.write(text)


def _show_resolved(path: Path, settings: Sequence[str], json: bool) -> None:
    from groundtune.cli.finish import finish
    from groundtune.cli.table import print_table
    from groundtune.pipeline.recipes import schema_of
    from groundtune.recipe_loading import resolve

    values = resolve(path, settings, schema_of(path)).values
    if json:
        rows = {key: {"value": value, "origin": origin} for key, value, origin in values}
        finish({"settings": rows}, json=True)
    else:
        print_table([("setting", "value", "origin"), *((k, str(v), o) for k, v, o in values)])


def copy(name: str, /, *, out: Path | None = None, json: bool = False) -> None:
    """Copy a recipe to a file to edit.

    For example:

        groundtune recipes copy world-ddpo --out my-recipe.yaml

    Args:
        name: Name of a recipe, from `groundtune recipes list`.
        out: File to write (default: NAME.yaml in the current folder).
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.errors import UserError
    from groundtune.pipeline.recipes import command_of, find
    from groundtune.store.files import write_atomic
    from groundtune.store.lock import hold

    path = find(name)
    out = out or Path(f"{path.stem}.yaml")
    with hold(out, is_file=True):
        if out.exists():
            raise UserError("The file exists.", str(out), "Name another with --out FILE.")
        write_atomic(out, path.read_bytes())
    finish(
        {},
        wrote=out,
        next_command=["groundtune", command_of(out), out],
        json=json,
    )
