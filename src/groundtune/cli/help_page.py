"""How a help page looks: plain text that fits the terminal, with examples that can be copied."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cyclopts import App
from cyclopts.help import DefaultFormatter, HelpEntry, HelpPanel

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

EXAMPLE_INDENT = "    "
_NO_DEFAULT = ("False", "()", '""')
"""Defaults that say no more than the option's absence."""


class HelpPage(DefaultFormatter):
    """cyclopts' panels, with paragraphs that fill the line.

    Docstrings are wrapped in the source, so a paragraph's lines are joined; indented lines are
    examples and stay as they are, however long, to be copied.
    """

    def render_description(
        self, console: "Console", options: "ConsoleOptions", description: Any
    ) -> None:
        """Print a command's description, block by block."""
        from rich.text import Text

        for block in str(getattr(description, "primary_renderable", "")).split("\n\n"):
            example = block.startswith(EXAMPLE_INDENT)
            console.print(Text(block if example else _filled(block)), soft_wrap=example)
            console.print()

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: HelpPanel) -> None:
        """Print a panel of commands or options."""
        entries = [_plain(entry) for entry in panel.entries]
        super().__call__(console, options, panel.copy(entries=entries))


def usage(app: App, words: Sequence[str]) -> str:
    """The usage line of a command, its arguments by name: cyclopts writes only [ARGS...]."""
    options: list[str] = []
    arguments: list[str] = []
    for argument in app.assemble_argument_collection(parse_docstring=False):
        name = argument.name.lstrip("-")
        if argument.index is None and argument.required:
            kind: str = getattr(argument.hint, "__name__", name)
            options.append(f"{argument.name} {kind.upper()}")
        elif argument.index is not None:
            several = argument.field_info.kind is argument.field_info.VAR_POSITIONAL
            label = f"{name.upper()}{'...' * several}"
            arguments.append(label if argument.required else f"[{label}]")
    return " ".join(["groundtune", *words, *arguments, *options, "[OPTIONS]"])


def _plain(entry: HelpEntry) -> HelpEntry:
    from rich.text import Text

    text = str(getattr(entry.description, "primary_renderable", ""))
    default = None if entry.default in _NO_DEFAULT else entry.default
    return entry.copy(description=Text(_filled(text)), default=default)


def _filled(paragraph: str) -> str:
    """A paragraph on one line; a list keeps its lines."""
    lines = paragraph.splitlines()
    return paragraph if paragraph.startswith("* ") else " ".join(line.strip() for line in lines)
