"""Commands and blocks of the pages, and what they need to run: pages.yaml."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[1]
PAGES: Mapping[str, Mapping[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "docs" / "pages.yaml").read_text(encoding="utf-8")
)
TOOLS = "groundtune|make|pip|python3?|torchrun|ray|curl|\\.venv/bin/\\w+"
LINE = re.compile(rf"^(?P<start> *)(?:\$ )?(?P<line>(?:{TOOLS}) .+)$", re.MULTILINE)
"""A command: indented by four spaces or more, in a fenced block, or after a prompt."""


class Command(NamedTuple):
    """A command of a page, as it is run."""

    page: str
    number: int
    """Its line in the page."""
    line: str


class Unrun(NamedTuple):
    """A command that is not run, and why."""

    line: str
    reason: str


def lines_of(page: str) -> list[tuple[int, str]]:
    """The commands of a page with their line numbers, as the page has them."""
    text = (ROOT / page).read_text(encoding="utf-8")
    fenced = {
        number
        for block in re.finditer(r"^ *```\w*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
        for number in range(
            text.count("\n", 0, block.start(1)) + 1, text.count("\n", 0, block.end(1)) + 1
        )
    }
    found = []
    for match in LINE.finditer(text):
        number = text.count("\n", 0, match.start()) + 1
        if len(match["start"]) >= 4 or number in fenced:
            found.append((number, match["line"]))
    return found


def commands_of(page: str) -> tuple[list[Command], list[Unrun]]:
    """The commands of a page that are run, made smaller, and those that are not."""
    rules = PAGES[page]
    run, unrun = [], []
    for number, line in lines_of(page):
        reason = next((r for s, r in rules.get("elsewhere", {}).items() if line.startswith(s)), "")
        if reason:
            unrun.append(Unrun(line, reason))
            continue
        for text, stand_in in rules.get("replace", {}).items():
            line = line.replace(text, stand_in)
        run.append(Command(page, number, line))
    return run, unrun


def blocks_of(page: str) -> list[tuple[int, str]]:
    """The Python blocks of a page with their line numbers, if its rules say that they are run.

    They are made smaller as commands are.
    """
    rules = PAGES[page]
    if not rules.get("blocks"):
        return []
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks: list[tuple[int, str]] = []
    for match in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        block = match[1]
        for old, stand_in in rules.get("replace", {}).items():
            block = block.replace(old, stand_in)
        blocks.append((text.count("\n", 0, match.start()) + 1, block))
    return blocks


def words_of(command: Command) -> list[str]:
    """A command's words without the tool's name; comments are left out."""
    return shlex.split(command.line, comments=True)[1:]
