"""Judges' prompts: the project's in `prompts/`, or another file by path, the official script too.

A text file holds {fields} among its text, all of the benchmark's and no others; where it begins
with a line "[system]", what stands before the line "[request]" is the system text. Of an official
Python script the assignments that build the prompt are read; nothing in it is run. Of a folder the
files NAME.txt are taken, as far as they are there.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from groundtune.bench.judge.judge import Judging, Ledger
from groundtune.errors import UserError
from groundtune.store.keys import key_of

_FIELD = re.compile(r"\{(\w*)\}")


class Piece(NamedTuple):
    """Text, or the name of a field."""

    text: str
    is_field: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an official script builds its prompt."""

    variable: str
    function: str = ""
    """"" for the module's own lines."""
    named: Mapping[str, str] = field(default_factory=dict[str, str])
    """The script's expressions, as `ast.unparse` writes them, to our fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptKind:
    """A prompt that a benchmark needs."""

    name: str
    """Of the file in `prompts/`, without .txt."""
    fields: tuple[str, ...]
    """In the order in which an official script fills unnamed ones."""
    place: Place | None = None
    is_second: bool = False
    """A benchmark's second prompt is not the one that a text file by path stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgePrompt:
    """A prompt with fields to fill."""

    pieces: tuple[Piece, ...]
    system: str = ""
    name: str = ""
    """The file, and the hash of what it says."""

    def fill(self, **values: str) -> str:
        """The request's text; values are put in as they are, and not searched for fields."""
        return "".join(values[each.text] if each.is_field else each.text for each in self.pieces)


def judge_prompt(kind: PromptKind, judging: Judging) -> JudgePrompt:
    """The prompt of a kind: the project's, or from the file that the judging names.

    Raises:
        UserError: the file can't be read, or its fields are not the benchmark's.
    """
    made = read_prompt(kind, judging.prompt)
    _note(judging.ledger, kind.name, made.name)
    return made


def read_prompt(kind: PromptKind, path: Path | None = None) -> JudgePrompt:
    """The project's prompt, or another.

    Raises:
        UserError: as `judge_prompt`.
    """
    if path is not None and path.is_dir():
        own = path / f"{kind.name}.txt"
        path = own if own.is_file() else None
    elif path is not None and kind.is_second and path.suffix != ".py":
        path = None
    if path is None:
        text = (
            files("groundtune.bench.judge").joinpath("texts", f"{kind.name}.txt").read_text("utf-8")
        )
        return _of_text(text, kind, f"groundtune/{kind.name}.txt")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            "The judge's prompt can't be read.", str(path), "Give a text file in UTF-8."
        ) from error
    if path.suffix == ".py":
        return _of_script(text, kind, path)
    return _of_text(text, kind, path.name)


def _note(ledger: Ledger, kind: str, name: str) -> None:
    ledger.prompts[kind] = name


def _of_text(text: str, kind: PromptKind, name: str) -> JudgePrompt:
    system = ""
    if text.startswith("[system]\n") and "\n[request]\n" in text:
        system, _, text = text.removeprefix("[system]\n").partition("\n[request]\n")
    return _checked(_split(text, kind), system.strip(), kind, name)


def _split(text: str, kind: PromptKind) -> list[Piece]:
    """Text at its fields; unnamed ones are the kind's in order."""
    pieces, last = list[Piece](), 0
    unnamed = iter(kind.fields)
    for match in _FIELD.finditer(text):
        name = match[1] or next(unnamed, "")
        if name in kind.fields:
            pieces += [Piece(text[last : match.start()]), Piece(name, is_field=True)]
            last = match.end()
    return [*pieces, Piece(text[last:])]


def _checked(pieces: Sequence[Piece], system: str, kind: PromptKind, name: str) -> JudgePrompt:
    there = {piece.text for piece in pieces if piece.is_field}
    if missing := [each for each in kind.fields if each not in there]:
        raise UserError(
            f"The judge's prompt lacks the field {{{missing[0]}}}.",
            name,
            f"It must have {', '.join(f'{{{each}}}' for each in kind.fields)}.",
        )
    digest = key_of(system, [list(piece) for piece in pieces])[:12]
    return JudgePrompt(pieces=tuple(pieces), system=system, name=f"{name} ({digest})")


def _of_script(text: str, kind: PromptKind, path: Path) -> JudgePrompt:
    """The prompt that an official script builds, read from its syntax tree."""
    place = kind.place
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise UserError(
            "The script is not Python.", f"{path}:{error.lineno}", "Give the script as it is."
        ) from error
    if place is None:
        raise _not_found(path, kind)
    script = _Script(place, kind)
    script.read(tree.body, follow=not place.function)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == place.function:
            script.read(node.body, follow=True)
    if not script.built:
        raise _not_found(path, kind)
    return _checked(script.built, _system_of(tree), kind, path.name)


class _Script:
    """Follows the assignments to one variable."""

    def __init__(self, place: Place, kind: PromptKind) -> None:
        self.place = place
        self.kind = kind
        self.constants: dict[str, str] = {}
        self.built: list[Piece] = []

    def read(self, body: Sequence[ast.stmt], *, follow: bool) -> None:
        for node in body:
            if isinstance(node, ast.For | ast.While | ast.If | ast.Try):
                self.read(node.body, follow=follow)
            elif isinstance(node, ast.Assign | ast.AugAssign):
                self._assign(node, follow=follow)

    def _assign(self, node: ast.Assign | ast.AugAssign, *, follow: bool) -> None:
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if not isinstance(target, ast.Name):
            return
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            self.constants[target.id] = node.value.value
        if follow and target.id == self.place.variable:
            pieces = self._pieces(node.value)
            self.built = [*self.built, *pieces] if isinstance(node, ast.AugAssign) else pieces

    def _pieces(self, node: ast.expr) -> list[Piece]:
        if isinstance(node, ast.Constant):
            text = str(node.value)
            unnamed = not self.place.named
            return _split(text, self.kind) if unnamed else [Piece(text)]
        if isinstance(node, ast.JoinedStr):
            return [piece for each in node.values for piece in self._pieces(each)]
        if isinstance(node, ast.FormattedValue):
            return self._pieces(node.value)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return [*self._pieces(node.left), *self._pieces(node.right)]
        if isinstance(node, ast.Name) and node.id in self.constants:
            return [Piece(self.constants[node.id])]
        name = self.place.named.get(ast.unparse(node), "")
        return [Piece(name, is_field=True)] if name else []


def _system_of(tree: ast.Module) -> str:
    """The system text that a script sends: of a message, or handed over as `chat_gpt_system`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            said = {ast.unparse(k): v for k, v in zip(node.keys, node.values, strict=True) if k}
            role, content = said.get("'role'"), said.get("'content'")
            if isinstance(role, ast.Constant) and role.value == "system":
                return _text(content)
        if isinstance(node, ast.keyword) and node.arg == "chat_gpt_system":
            return _text(node.value)
    return ""


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _not_found(path: Path, kind: PromptKind) -> UserError:
    return UserError(
        f"The script does not build the prompt {kind.name}.",
        str(path),
        f"Give the official script, or a text file with {', '.join(kind.fields)} as fields.",
    )
