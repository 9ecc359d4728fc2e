"""Words of the code: what docs/design-conventions.md asks of names and docstrings."""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "groundtune"
NOT_NAMES = re.compile(r"_?(told|tells|said|beside|mend|mended|pictures?)")
NOT_PROSE = re.compile(
    r"\b(mend(s|ed)?|whoever|so many|told|by turns|one's own|held against|goes on|go on with)\b",
    re.IGNORECASE,
)
"""Words for which docs/design-conventions.md has others."""


def names_of(code: str) -> set[str]:
    """Return the names that code gives: to functions, classes, arguments and variables."""
    given: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            given.add(node.name)
        elif isinstance(node, ast.arg):
            given.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            given.add(node.id)
    return given


def prose_of(code: str) -> list[str]:
    """Return the comments and docstrings of code."""
    comments = re.findall(r"(?:^|\s)# .*", code)
    texts = [
        node.value.value
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]
    return comments + texts


@cache
def files() -> dict[str, str]:
    return {str(p.relative_to(SOURCE)): p.read_text("utf-8") for p in SOURCE.rglob("*.py")}


def test_no_class_of_one_name_is_in_several_files() -> None:
    places: defaultdict[str, set[str]] = defaultdict(set)
    for file, code in files().items():
        for node in ast.parse(code).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].add(file)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_names_are_nouns_and_verbs_of_the_field() -> None:
    found = {
        file: wrong
        for file, code in files().items()
        if (wrong := {name for name in names_of(code) if NOT_NAMES.fullmatch(name)})
    }
    assert found == {}


def test_docstrings_and_comments_have_plain_words() -> None:
    found = {
        file: wrong
        for file, code in files().items()
        if (wrong := {word[0] for text in prose_of(code) for word in NOT_PROSE.finditer(text)})
    }
    assert found == {}


def test_the_checks_see_what_they_look_for() -> None:
    code = 'def told(said, image):\n    """Whoever asks."""\n    beside = image  # so many\n'
    assert {name for name in names_of(code) if NOT_NAMES.fullmatch(name)} == {
        "told",
        "said",
        "beside",
    }
    assert [bool(NOT_PROSE.search(text)) for text in prose_of(code)] == [True, True]
