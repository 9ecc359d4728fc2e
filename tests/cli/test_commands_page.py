"""docs/commands.md says what the help pages say."""

import importlib.util
from pathlib import Path

from groundtune.cli.commands import COMMANDS

ROOT = Path(__file__).parents[2]


def test_the_page_of_commands_is_what_the_help_pages_say() -> None:
    found = importlib.util.spec_from_file_location("page", ROOT / "tools/make_commands_page.py")
    assert found is not None
    assert found.loader is not None
    maker = importlib.util.module_from_spec(found)
    found.loader.exec_module(maker)
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert maker.page() == text, "run make generated"
    assert [name for name in COMMANDS if f"\n### `groundtune {name}`\n" not in text] == []
    names = {*COMMANDS, *(name.split()[0] for name in COMMANDS)}
    assert [name for name in maker.PAGES if name not in names] == []
