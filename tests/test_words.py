"""Words of the code: what docs/design-conventions.md asks of names and docstrings."""

import ast
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).parents[1] / "src" / "groundtune"
NOT_NAMES = re.compile(r"_?(told|tells|said|beside|mend|mended|pictures?)")
NOT_PROSE = re.compile(
    r"\b(mend(s|ed)?|whoever|so many|told|by turns|one's own|held against|goes on|go on with)\b",
    re.IGNORECASE,
)
"""Words for which docs/design-conventions.md has others."""
PARTICIPLES = re.compile(
    "_?(asked|asks|became|began|begun|brought|called|caught|could|done|drawn|ended|found|given|going"
    "|gone|got|had|has|held|kept|keeps|known|lacks|learnt|led|lent|listed|lost|made|met|mine|named"
    "|needed|noted|opened|own|placed|put|reached|rose|says|seen|sent|shown|spelt|spoken|stands"
    "|taken|taught|thought|tried|turned|unsaid|used|viewed|wanted|wants|was|worked|written|wrote)"
)
"""They say what happened to a value, not what it is. docs/design.md lists those that are terms."""
LAYOUTS = {
    "bench/tasks/amber/tagger.py": {"known"},  # a key of the shipped table
    "pipeline/align/choosing.py": {"kept"},  # of CandidateModel, which is in choice.json
    "protocols.py": {"named"},  # what prompt sources of other packages return
    "store/annotations/progress.py": {"begun"},  # of TaskQuality, which the app's API sends
}
"""Fields that are not of records, but have the name of what is in a file or an interface."""


class Words(NamedTuple):
    """The words of a file."""

    classes: set[str]
    """Those at its top."""
    names: set[str]
    participles: list[str]
    prose: list[str]


def names_of(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the names that code gives: to functions, classes, arguments and variables."""
    given: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            given.add(node.name)
        elif isinstance(node, ast.arg):
            given.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            given.add(node.id)
    return given


def values_of(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, int]]:
    """Yield the names of arguments, variables, attributes and fields, with their lines.

    Fields of records are left out: they are keys of files and settings.
    """
    fields: set[ast.AST] = set()
    for node in nodes:
        if isinstance(node, ast.ClassDef) and not is_plain(node):
            fields |= {each.target for each in node.body if isinstance(each, ast.AnnAssign)}
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node not in fields:
            yield node.id, node.lineno


def is_plain(node: ast.ClassDef) -> bool:
    """Return whether a class is a named tuple or a dataclass, not a record."""
    words = [*map(ast.unparse, node.bases), *map(ast.unparse, node.decorator_list)]
    return any(word.startswith(("NamedTuple", "dataclass")) for word in words)


def participles_of(nodes: Iterable[ast.AST], layout: Collection[str] = ()) -> list[str]:
    """Return the names of values that are participles, with their lines."""
    return sorted(
        f"line {line}: {name}"
        for name, line in values_of(nodes)
        if PARTICIPLES.fullmatch(name) and name not in layout
    )


def prose_of(code: str, nodes: Iterable[ast.AST]) -> list[str]:
    """Return the comments and docstrings of code."""
    comments = re.findall(r"(?:^|\s)# .*", code)
    texts = [
        node.value.value
        for node in nodes
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]
    return comments + texts


def words_of(code: str, layout: Collection[str] = ()) -> Words:
    """Return the words of code, parsed once; `layout` has participles that may be names."""
    module = ast.parse(code)
    nodes = list(ast.walk(module))
    classes = {node.name for node in module.body if isinstance(node, ast.ClassDef)}
    return Words(classes, names_of(nodes), participles_of(nodes, layout), prose_of(code, nodes))


@cache
def files() -> dict[str, Words]:
    codes = {str(p.relative_to(SOURCE)): p.read_text("utf-8") for p in SOURCE.rglob("*.py")}
    return {file: words_of(code, LAYOUTS.get(file, ())) for file, code in codes.items()}


def test_no_class_of_one_name_is_in_several_files() -> None:
    places: defaultdict[str, set[str]] = defaultdict(set)
    for file, words in files().items():
        for name in words.classes:
            places[name].add(file)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_names_are_nouns_and_verbs_of_the_field() -> None:
    found = {
        file: wrong
        for file, words in files().items()
        if (wrong := {name for name in words.names if NOT_NAMES.fullmatch(name)})
    }
    assert found == {}


def test_names_of_values_are_no_participles() -> None:
    found = {file: words.participles for file, words in files().items() if words.participles}
    assert found == {}


def test_docstrings_and_comments_have_plain_words() -> None:
    found = {
        file: wrong
        for file, words in files().items()
        if (wrong := {word[0] for text in words.prose for word in NOT_PROSE.finditer(text)})
    }
    assert found == {}


def test_the_checks_see_what_they_look_for() -> None:
    code = 'def told(said, image):\n    """Whoever asks."""\n    beside = image  # so many\n'
    words = words_of(code)
    assert {name for name in words.names if NOT_NAMES.fullmatch(name)} == {
        "told",
        "said",
        "beside",
    }
    assert [bool(NOT_PROSE.search(text)) for text in words.prose] == [True, True]


def test_the_check_of_participles_sees_what_it_looks_for() -> None:
    code = (
        "class Row(Record):\n    found: int\n"
        "class Pair(NamedTuple):\n    kept: int\n"
        "def f(asked):\n    self._seen = own = [shown for shown in asked]\n    return found\n"
    )
    assert words_of(code).participles == [
        "line 4: kept",
        "line 5: asked",
        "line 6: _seen",
        "line 6: own",
        "line 6: shown",
    ]
    assert words_of(code, {"kept", "own"}).participles[0] == "line 5: asked"
