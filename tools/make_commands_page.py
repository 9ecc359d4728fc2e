"""Write docs/commands.md from the table of commands and their help pages.

python tools/make_commands_page.py docs/commands.md
"""

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from cyclopts import App, Argument

from groundtune.cli.app import build_app
from groundtune.cli.commands import COMMANDS, GROUPS

DOCS = Path(__file__).parents[1] / "docs"
TOP = """\
# Commands

Every command with its options, as `groundtune COMMAND --help` shows them.
[Start](start.md#every-command) says what all of them have in common.
"""
PAGES = {
    "sample": "training.md",
    "label": "claims.md",
    "annotate": "annotate.md",
    "pairs": "claims.md#score-and-pair",
    "rewrite": "rewrite.md",
    "style": "rewrite.md#one-style",
    "train": "training.md",
    "rl": "rl.md",
    "align": "align.md",
    "rounds": "align.md#compare-runs",
    "reward": "reward.md",
    "reward study": "studies.md",
    "methods-study": "studies.md",
    "splitter": "claims.md#train-your-own-splitter",
    "bench": "bench-files.md",
    "bench data": "bench-data.md",
    "bench calibrate": "judge-quality.md#calibration",
    "compare": "compare.md",
    "overcorrection": "rewrite.md#where-to-stop",
    "check": "check.md",
    "import": "formats.md",
    "export": "formats.md",
    "card": "precision.md#a-card-for-the-hub",
    "project": "annotate-project.md#out",
    "serve": "serve.md",
    "best-of": "best-of.md",
    "world": "world.md",
    "recipes": "recipes.md",
    "plan": "recipes.md",
}
"""Where to read more, by a command or the first of its two words."""
HIDDEN = {"--json", "--help", "*"}
"""What all commands have, and the parameters whose fields are options of their own."""


def page() -> str:
    """The page's text: a section for each of the help page's, in its order."""
    titles = dict.fromkeys(section_of(name) for name in COMMANDS)
    return "\n".join([TOP, *(section(title) for title in titles)])


def section_of(name: str) -> str:
    """The section of a command, which those of two words have by the first."""
    first = name.rpartition(" ")[0]
    return GROUPS[first].section if first else COMMANDS[name].section


def section(title: str) -> str:
    """A section with its table and its commands."""
    names = [name for name in COMMANDS if section_of(name) == title]
    rows = [f"| [`{name}`](#{anchor(name)}) | {COMMANDS[name].help} |" for name in names]
    table = "\n".join(["| command | does |", "|---|---|", *rows])
    return "\n".join([f"## {title}\n\n{table}\n", *(command(name) for name in names)])


def anchor(name: str) -> str:
    """The id of a command's heading on the site."""
    return f"groundtune-{name.replace(' ', '-')}"


def command(name: str) -> str:
    """A command: its help, its arguments and options, and where to read more."""
    module, _, function = COMMANDS[name].target.partition(":")
    text = inspect.getdoc(getattr(importlib.import_module(module), function)) or ""
    text = re.split(r"^(?:Args|Returns):$", text, flags=re.MULTILINE)[0].strip()
    rows = "\n".join(options(name))
    more = PAGES.get(name) or PAGES.get(name.split()[0])
    parts = [f"### `groundtune {name}`", text]
    parts += [f"| option | meaning |\n|---|---|\n{rows}"] if rows else []
    parts += [f"More: [{title_of(more)}]({more})"] if more else []
    return "\n\n".join(parts) + "\n"


def title_of(target: str) -> str:
    """The title of the page of a link."""
    text = (DOCS / target.partition("#")[0]).read_text(encoding="utf-8")
    return text.partition("\n")[0].removeprefix("# ")


def options(name: str) -> Iterator[str]:
    """A table's row for each argument and option; what all commands have is left out."""
    app: App = build_app(name.split())
    for word in name.split():
        app = app[word]
    for found in app.assemble_argument_collection(parse_docstring=True):
        if found.name not in HIDDEN and found.parameter.show is not False:
            yield f"| {_names(found)} | {_cell(found)} |"


def _names(found: Argument) -> str:
    words = [each.removeprefix("--") for each in found.names]
    negated = {f"--{prefix}-{word}" for prefix in ("no", "empty") for word in words}
    return ", ".join(f"`{each}`" for each in found.names if each not in negated)


def _cell(found: Argument) -> str:
    text = " ".join((found.parameter.help or "").split())
    default = found.field_info.default
    shown = default not in (None, inspect.Parameter.empty, False, (), "") and not callable(default)
    if found.required:
        text += " (required)"
    elif shown and "default" not in text and isinstance(default, str | int | float | Path):
        text += f" (default {default})"
    return text.replace("|", "\\|")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
