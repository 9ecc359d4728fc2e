"""Every command line that help pages, docs and recipes show can be parsed."""

import importlib
import inspect
import re
import shlex
from pathlib import Path

import pytest

from groundtune.cli.app import build_app
from groundtune.cli.commands import COMMANDS
from groundtune.pipeline.recipes.registry import ShippedRecipe, find, shipped

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])
SHOWN = re.compile(r"^(?: {4}|\$ )?groundtune (.+)$", re.MULTILINE)
"""A line that is a command: indented, in a fenced block, or after a prompt."""


def examples_of(name: str) -> list[str]:
    module, _, function = COMMANDS[name].target.partition(":")
    text = inspect.getdoc(getattr(importlib.import_module(module), function)) or ""
    return SHOWN.findall(text)


def parse(line: str) -> inspect.BoundArguments:
    words = shlex.split(line, comments=True)
    _, bound, _ = build_app(words).parse_args(words, exit_on_error=False, print_error=False)
    return bound


@pytest.mark.parametrize("name", COMMANDS)
def test_a_help_page_has_examples_of_its_command_that_parse(name: str) -> None:
    examples = examples_of(name)
    assert examples
    for example in examples:
        assert example.startswith(f"{name} ") or example == name
        recipe = parse(example).arguments.get("recipe")
        if recipe and "=" not in recipe:
            assert find(recipe).exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_parse(page: Path) -> None:
    for line in SHOWN.findall(page.read_text(encoding="utf-8")):
        if not any(mark in line for mark in ("...", "|", ">", "<")):
            parse(line)


@pytest.mark.parametrize("recipe", shipped(), ids=lambda recipe: recipe.name)
def test_the_command_in_a_recipes_first_line_parses(recipe: ShippedRecipe) -> None:
    _, found, line = recipe.about.partition(": groundtune ")
    if found:
        parse(line)


def test_the_check_refuses_an_option_that_does_not_exist() -> None:
    with pytest.raises(Exception, match="--nmu"):
        parse("sample --nmu 3 --out x")
