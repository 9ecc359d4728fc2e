"""The one reader of YAML: safe types, a bound on what a small text may grow to, and the lines.

Recipes, judge files and price tables are read here. An alias stands for all that it repeats, so
depth and number of values are counted with every alias written out, before anything is built.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import yaml

from groundtune.errors import UserError

Keys = tuple[str, ...]

DEPTH = 40
"""Most lists and mappings inside one another."""
VALUES = 200_000
"""Most values of a text, aliases written out."""
CHARACTERS = 10_000_000
"""Most characters of a text."""


@dataclass(frozen=True, slots=True)
class Yaml:
    """What a text says, and the line of each key, from 1; an item of a list has its index as key.

    `value` is None for a text without any value.
    """

    value: object
    lines: Mapping[Keys, int]


def read_yaml(path: Path) -> Yaml:
    """Return what a YAML file says.

    Raises:
        UserError: it can't be read, is not YAML, says a key twice, refers to itself, or is larger
            than DEPTH, VALUES or CHARACTERS; with the line.
    """
    if path.exists() and not path.is_file():
        raise UserError("This is not a file.", str(path), "Name a YAML file.")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        what = f"The file can't be read: {error.strerror}."
        raise UserError(what, str(path), "Name a YAML file.") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        what = f"This is not YAML: byte {error.start} is not UTF-8."
        raise UserError(what, f"{path}:{line}", "Save the file as UTF-8.") from None
    try:
        return parse_yaml(text)
    except YamlError as error:
        where = f"{path}:{error.line}" if error.line else str(path)
        raise UserError(f"This is not YAML: {error.problem}.", where, "Fix that line.") from None


_NO_VALUE = (ValueError, OverflowError, LookupError, AttributeError, TypeError)
"""What PyYAML raises where a text has a tag that it doesn't fit, such as `!!timestamp 5`."""


class YamlError(ValueError):
    """A text can't be read as YAML: its problem in words, and the line, or 0."""

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line


def parse_yaml(text: str) -> Yaml:
    """Return what a YAML text says.

    Raises:
        YamlError: as `read_yaml`.
    """
    if len(text) > CHARACTERS:
        raise YamlError(f"it has more than {CHARACTERS:,} characters", 0)
    lines: dict[Keys, int] = {}
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return Yaml(None, lines)
        _note_lines(node, (), lines)
        value = cast(object, loader.construct_document(node))  # pyright: ignore[reportUnknownMemberType]
    except yaml.YAMLError as error:
        mark = cast("yaml.Mark | None", getattr(error, "problem_mark", None))
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        raise YamlError(" ".join(str(problem).split()), mark.line + 1 if mark else 0) from None
    return Yaml(value, lines)


class _Extent(NamedTuple):
    """What a node holds, aliases written out: its values, itself included, and their depth."""

    values: int
    depth: int


class _Loader(yaml.SafeLoader):
    """YAML's safe types, with 1e-6 a number (YAML 1.1 wants 1.0e-6)."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._extents: dict[int, _Extent] = {}  # by the id of a node, which the anchors keep
        self._nodes: list[yaml.Node] = []
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node, and refuse it where it is too deep, too large or within itself."""
        event = cast(yaml.Event, self.peek_event())  # pyright: ignore[reportUnknownMemberType]
        mark, alias = event.start_mark, isinstance(event, yaml.AliasEvent)
        self._depth += 1
        if self._depth > DEPTH:
            raise _refusal(f"more than {DEPTH} lists and mappings are inside one another", mark)
        node = cast("yaml.Node", super().compose_node(parent, index))
        self._depth -= 1
        if alias and id(node) not in self._extents:
            raise _refusal("a value refers to itself", mark)
        if not alias:
            self._extents[id(node)] = self._extent(node)
            self._nodes.append(node)  # ids stay its own while the node lives
        extent = self._extents[id(node)]
        if extent.depth + self._depth > DEPTH:
            raise _refusal(f"more than {DEPTH} lists and mappings are inside one another", mark)
        if extent.values > VALUES:
            raise _refusal(f"aliases make more than {VALUES:,} values", mark)
        return node

    def _extent(self, node: yaml.Node) -> _Extent:
        children: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            children = cast("list[yaml.Node]", node.value)
        elif isinstance(node, yaml.MappingNode):
            children = [each for item in cast("list[Any]", node.value) for each in item]
        inside = [self._extents[id(child)] for child in children]
        return _Extent(
            1 + sum(each.values for each in inside),
            max((1 + each.depth for each in inside), default=0),
        )

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """Build a value; one that its type can't hold, such as the date 2001-99-99, is refused."""
        try:
            return cast(Any, super().construct_object(node, deep))  # pyright: ignore[reportUnknownMemberType]
        except _NO_VALUE:
            kind = cast(str, node.tag).rpartition(":")[2]
            text = str(cast(object, node.value))
            text = text if len(text) <= 40 else f"{text[:40]}..."
            raise _refusal(
                f"{text!r} is no {kind}; quote it if it is text", node.start_mark
            ) from None


_Loader.add_implicit_resolver(  # pyright: ignore[reportUnknownMemberType]
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def _refusal(problem: str, mark: object) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=cast(yaml.Mark, mark))


def _note_lines(node: yaml.Node, above: Keys, lines: dict[Keys, int]) -> None:
    """Note the line of each key; a key given twice is an error."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(cast("list[yaml.Node]", node.value)):
            _note_lines(item, (*above, str(index)), lines)
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
        keys = (*above, str(cast(object, key.value)))
        if keys in lines:
            problem = f"{'.'.join(keys)} is given twice, first in line {lines[keys]}; keep one"
            raise _refusal(problem, key.start_mark)
        lines[keys] = cast(yaml.Mark, key.start_mark).line + 1
        _note_lines(value, keys, lines)
