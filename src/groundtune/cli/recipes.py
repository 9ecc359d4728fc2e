"""`groundtune recipes`: list, show, copy, run."""

import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.cli.recipe_argument import Settings

if TYPE_CHECKING:
    from groundtune.pipeline.recipes.steps import RecipeSteps


def list_(*, json: bool = False) -> None:
    """List the recipes that come with Groundtune.

    For example:

        groundtune recipes list

    Args:
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.pipeline.recipes.registry import shipped

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
    from groundtune.pipeline.recipes.registry import find

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
    from groundtune.pipeline.recipes.registry import schema_of
    from groundtune.recipe_loading import resolve

    values = resolve(path, settings, schema_of(path)).values
    if json:
        rows = {key: {"value": value, "origin": origin} for key, value, origin in values}
        finish({"settings": rows}, json=True)
    else:
        print_table([("setting", "value", "origin"), *((k, str(v), o) for k, v, o in values)])


def copy(name: str, /, *, out: Path | None = None, json: bool = False) -> None:
    """Copy a recipe to a file to edit.

    The folder schemas next to it gets the JSON Schema that the recipe's first line names: editors
    complete and check its settings.

    For example:

        groundtune recipes copy world-ddpo --out my-recipe.yaml

    Args:
        name: Name of a recipe, from `groundtune recipes list`.
        out: File to write (default: NAME.yaml in the current folder).
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.errors import UserError
    from groundtune.pipeline.recipes.registry import command_of, find, schema_file
    from groundtune.store.files import write_atomic
    from groundtune.store.lock import hold

    path = find(name)
    out = out or Path(f"{path.stem}.yaml")
    with hold(out, is_file=True):
        if out.exists():
            raise UserError("The file exists.", str(out), "Name another with --out FILE.")
        write_atomic(out, path.read_bytes())
        schema = schema_file(command_of(path))
        next_to_copy = out.parent / schema.parent.name / schema.name
        if schema.is_file() and not next_to_copy.exists():
            next_to_copy.parent.mkdir(exist_ok=True)
            write_atomic(next_to_copy, schema.read_bytes())
    finish(
        {},
        path=out,
        next_command=["groundtune", *command_of(out).split(), out],
        json=json,
    )


def run(
    name: str,
    /,
    *settings: Settings,
    out: Path | None = None,
    images: Path | None = None,
    dry_run: bool = False,
    json: bool = False,
) -> object:
    """Run a recipe from its data to its result.

    Imports the recipe's data sets from the Hugging Face hub and runs the recipe's command on them.
    Data that you name yourself (pairs=, prompts=, images=) replaces them. A run that was stopped
    resumes when you run it again. `groundtune plan` says what it takes.

    For example:

        groundtune recipes run rlhf-v-5.7k --dry-run
        groundtune recipes run rlhf-v-5.7k model=llava-hf/llava-1.5-7b-hf --out runs/rlhf-v

    Args:
        name: Name of a recipe, from `groundtune recipes list`, or a YAML file.
        settings: Settings that override the recipe, as its command takes them.
        out: Folder for data and results (default: runs/NAME).
        images: Folder with the images that the recipe's data needs.
        dry_run: Print the commands without running them.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.recipe_argument import read_recipe
    from groundtune.pipeline.recipes.registry import find
    from groundtune.pipeline.recipes.steps import steps_of

    path = find(name)
    out = out or Path("runs") / path.stem
    steps = steps_of(path, read_recipe(name, settings).settings, out, images)
    if dry_run:
        _list_steps(steps, name, out, json)
        return None
    from groundtune.cli.commands import COMMANDS
    from groundtune.pipeline.recipes.registry import imported
    from groundtune.store.lock import hold

    command = imported(COMMANDS[steps.command].target)
    with hold(out, whole=True):
        with redirect_stdout(StringIO()) if json else nullcontext():
            _import(steps)
        return command(name, *steps.settings, out=out / steps.folder, json=json)


def _list_steps(steps: "RecipeSteps", name: str, out: Path, json: bool) -> None:
    import shlex

    from groundtune.cli.finish import finish

    lines = [shlex.join(steps.import_words(source)) for source in steps.imports]
    result = str(out / steps.folder)
    lines.append(
        shlex.join(["groundtune", *steps.command.split(), name, *steps.settings, "--out", result])
    )
    following = ["groundtune", "plan", name]
    if json:
        finish({"steps": lines}, next_command=following, json=True)
    else:
        numbered = {f"step {number}": line for number, line in enumerate(lines, 1)}
        finish(numbered, next_command=following)


def _import(steps: "RecipeSteps") -> None:
    from groundtune.cli.import_ import import_
    from groundtune.pipeline.recipes.steps import is_imported, note_imported

    for source in steps.imports:
        if is_imported(steps, source):
            continue
        import_(
            source.layout,
            Path(source.source),
            out=steps.target(source),
            images=steps.images if source.images else None,
            all_rows=source.all_rows,
            split=source.split,
            only=source.only,
        )
        note_imported(steps, source)
