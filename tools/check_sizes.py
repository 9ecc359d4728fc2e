"""Fails where a file, function or name breaks the house rules; exceptions are listed by name.

python tools/check_sizes.py src
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LINES = 400
FUNCTION_LINES = 60
NESTING = 3
VAGUE_FILES = {"utils.py", "util.py", "helpers.py", "misc.py", "common.py"}
VAGUE_NAMES = re.compile(r"manager|^_?process(_|$)", re.IGNORECASE)
ALLOWED: dict[str, str] = {}
"""`path` or `path:function` -> why it may be larger."""

_NESTS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def excesses(root: Path) -> Iterator[str]:
    """One line for each file or function under `root` that breaks a rule."""
    for path in sorted(root.rglob("*.py")):
        yield from _of_file(path, path.as_posix())


def _of_file(path: Path, name: str) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    lines = len(text.splitlines())
    if path.name in VAGUE_FILES:
        yield f"{name}: a file is named after what it holds"
    if lines > FILE_LINES and name not in ALLOWED:
        yield f"{name}: {lines} lines, at most {FILE_LINES}"
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, (*_FUNCTIONS, ast.ClassDef)) or f"{name}:{node.name}" in ALLOWED:
            continue
        if VAGUE_NAMES.search(node.name):
            yield f"{name}:{node.lineno} {node.name}: a name says what the thing does"
        if isinstance(node, ast.ClassDef):
            continue
        length = lines_of(node)
        if length > FUNCTION_LINES:
            yield f"{name}:{node.lineno} {node.name}: {length} lines, at most {FUNCTION_LINES}"
        if (depth := nesting(node)) > NESTING:
            yield f"{name}:{node.lineno} {node.name}: nested {depth} deep, at most {NESTING}"


def lines_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring: explaining more must cost nothing."""
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is None:
        return length
    docstring = node.body[0]
    return length - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def nesting(node: ast.AST) -> int:
    """The most blocks inside one another; `elif` and functions inside do not count as deeper."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (*_FUNCTIONS, ast.ClassDef)):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        own = 1 if isinstance(child, _NESTS) and not is_elif else 0
        deepest = max(deepest, own + nesting(child))
    return deepest


def main(roots: list[str]) -> int:
    """Print the excesses; returns how many there are, at most 1."""
    found = [line for root in roots for line in excesses(Path(root))]
    for line in found:
        print(line)
    return min(1, len(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["src"]))
