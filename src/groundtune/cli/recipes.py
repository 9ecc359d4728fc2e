"""`groundtune recipes`: list, show, copy."""

import sys
from pathlib import Path


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


def show(name: str, /, *, json: bool = False) -> None:
    """Print a recipe.

    For example:

        groundtune recipes show world-ddpo

    Args:
        name: Name of a recipe, from `groundtune recipes list`.
        json: Print name and text as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.pipeline.recipes import find

    text = find(name).read_text(encoding="utf-8")
    if json:
        finish({"name": name, "text": text}, json=True)
    else:
        sys.stdout.write(text)


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

    path = find(name)
    out = out or Path(f"{path.stem}.yaml")
    if out.exists():
        raise UserError("The file exists.", str(out), "Name another with --out FILE.")
    write_atomic(out, path.read_bytes())
    finish(
        {},
        wrote=out,
        next_command=["groundtune", command_of(out), out],
        json=json,
    )
