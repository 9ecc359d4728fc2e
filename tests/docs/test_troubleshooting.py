"""Every message on the troubleshooting page is one that the code has."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"
ROW = re.compile(r"^\| `([^`]+)` \| .+ \| .+ \|$", re.MULTILINE)
MESSAGES = ROW.findall(PAGE.read_text(encoding="utf-8"))


@cache
def texts() -> list[str]:
    """Every text of the source, with values of f-strings as "...", and joined parts as one."""
    found: list[str] = []
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            if isinstance(node, ast.JoinedStr):
                parts = (
                    str(part.value) if isinstance(part, ast.Constant) else "..."
                    for part in node.values
                )
                found.append("".join(parts))
    return found


def is_said(message: str, source: list[str]) -> bool:
    """Whether a text of the source has the parts of a message in their order."""
    parts = [part.strip() for part in message.split("...") if part.strip()]
    pattern = re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
    return any(pattern.search(text) for text in source)


def test_the_page_has_messages() -> None:
    assert len(MESSAGES) > 20


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_of_the_page_is_in_the_source(message: str) -> None:
    assert is_said(message, texts()), message


def test_the_check_refuses_a_message_that_nothing_says() -> None:
    assert is_said("No ... row", ["No single row"])
    assert not is_said("There is no folder to write on.", texts())
