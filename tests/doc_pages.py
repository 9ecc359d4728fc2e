"""Commands and blocks of the pages, and what they need to run: docs/pages.yaml."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[1]
PAGES: Mapping[str, Mapping[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "docs" / "pages.yaml").read_text(encoding="utf-8")
)
TOOLS = "groundtune|make|pip|python3?|torchrun|ray|curl|printf|vllm|uv|docker|\\.venv/bin/\\w+"
START = re.compile(rf"(?:[A-Z_]+=\S+ )*(?:for \w+ in .*; do )?(?:{TOOLS}) ")
"""A command, perhaps with variables before it, or in a loop."""
FENCE = re.compile(r"^ *```(\w*)")
SHELL = {"", "bash", "sh", "console"}
"""Languages of fenced blocks in which a line may be a command."""


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
    """The commands of a page with their line numbers, as the page has them.

    A command is indented by four spaces or more, or in a fenced block of a shell. One whose quotes
    are still open goes on in the next line.
    """
    found: list[tuple[int, str]] = []
    rest = _code(page)
    for number, line in rest:
        command = line.removeprefix("$ ")
        if not START.match(command):
            continue
        while _is_open(command):
            command += "\n" + next(rest)[1]
        found.append((number, command))
    return found


def _code(page: str) -> Iterator[tuple[int, str]]:
    """Lines of a page that are code of a shell, without their indentation."""
    language: str | None = None
    for number, line in enumerate((ROOT / page).read_text(encoding="utf-8").splitlines(), 1):
        if fence := FENCE.match(line):
            language = fence[1] if language is None else None
        elif language in SHELL or (language is None and line.startswith("    ")):
            yield number, line if language in SHELL and line.startswith("  ") else line.strip()


def _is_open(command: str) -> bool:
    """Whether a command's quotes are still open."""
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return True
    return command.endswith("\\")


def commands_of(page: str) -> tuple[list[Command], list[Unrun]]:
    """The commands of a page that are run, made smaller, and those that are not."""
    rules = PAGES[page]
    run: list[Command] = []
    unrun: list[Unrun] = []
    for number, line in lines_of(page):
        reason = next((r for s, r in rules.get("elsewhere", {}).items() if line.startswith(s)), "")
        if reason:
            unrun.append(Unrun(line, reason))
        else:
            run.append(Command(page, number, _smaller(line, rules)))
    return run, unrun


def blocks_of(page: str) -> list[tuple[int, str]]:
    """The Python blocks of a page with their line numbers, if its rules say that they are run.

    They are made smaller as commands are.
    """
    rules = PAGES[page]
    if not rules.get("blocks"):
        return []
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, at.start(1)) + 1, _smaller(at[1], rules)) for at in blocks]


def _smaller(text: str, rules: Mapping[str, Any]) -> str:
    for old, stand_in in rules.get("replace", {}).items():
        text = text.replace(old, stand_in)
    return text
