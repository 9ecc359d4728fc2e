"""`groundtune recipes`: list, show, copy."""

import shlex
import sys
from pathlib import Path


def list_(*, json: bool = False) -> None:
    """Name the recipes that come with Groundtune.

    Args:
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.pipeline.recipes import shipped

    found = shipped()
    finish(
        {recipe.name: f"{recipe.command}: {recipe.about}" for recipe in found},
        next_command=f"groundtune recipes show {found[0].name}" if found else "",
        json=json,
    )


def show(name: str) -> None:
    """Print a recipe.

    Args:
        name: A recipe's name, as `groundtune recipes list` has it.
    """
    from groundtune.pipeline.recipes import find

    sys.stdout.write(find(name).read_text(encoding="utf-8"))


def copy(name: str, *, out: Path | None = None, json: bool = False) -> None:
    """Copy a recipe, to change it.

    Args:
        name: A recipe's name, as `groundtune recipes list` has it.
        out: The file to write; NAME.yaml in this folder if it isn't given.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.errors import UserError
    from groundtune.pipeline.recipes import command_of, find
    from groundtune.store.files import write_atomic

    path = find(name)
    out = out or Path(f"{path.stem}.yaml")
    if out.exists():
        raise UserError("The file is there already.", str(out), "Name another with --out FILE.")
    write_atomic(out, path.read_bytes())
    finish(
        {},
        wrote=out,
        next_command=f"groundtune {command_of(out)} {shlex.quote(str(out))}",
        json=json,
    )
