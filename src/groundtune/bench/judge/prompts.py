"""Judge prompts: the built-in ones in `texts/`, or your own file or the official script by path.

A text file contains every {field} of the benchmark's prompt. If it begins with a line "[system]",
the text up to the line "[request]" is the system text. Of an official Python script, only the
assignments that build the prompt are parsed; nothing is run. Of a folder, the files NAME.txt are
used; a prompt without a file there is the built-in one.
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
from groundtune.store.files import refuse_special
from groundtune.store.keys import key_of

_FIELD = re.compile(r"\{(\w*)\}")


class PromptPiece(NamedTuple):
    """Text, or the name of a field."""

    text: str
    is_field: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptPrompt:
    """How an official script builds its prompt."""

    variable: str
    function: str = ""
    """"" for code at module level."""
    expressions: Mapping[str, str] = field(default_factory=dict[str, str])
    """The prompt's field by the script's expression, as `ast.unparse` writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptKind:
    """Specification of a prompt that a benchmark needs."""

    name: str
    """Name of the file in `texts/`, without .txt."""
    fields: tuple[str, ...]
    """Field names, in the order in which an official script fills unnamed ones."""
    script: ScriptPrompt | None = None
    is_second: bool = False
    """Whether it is a benchmark's second prompt, which a single text file does not replace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgePrompt:
    """A prompt template."""

    pieces: tuple[PromptPiece, ...]
    system: str = ""
    name: str = ""
    """File name and hash of the content."""

    def fill(self, **values: str) -> str:
        """Return the request's text; values are inserted verbatim, never searched for fields."""
        return "".join(
            values[piece.text] if piece.is_field else piece.text for piece in self.pieces
        )


def judge_prompt(kind: PromptKind, judging: Judging) -> JudgePrompt:
    """Return the prompt of a kind: the built-in one, or that of the judging's prompt file.

    Raises:
        UserError: the file can't be read or lacks a field.
    """
    prompt = read_prompt(kind, judging.prompt)
    _note(judging.ledger, kind.name, prompt.name)
    return prompt


def read_prompt(kind: PromptKind, path: Path | None = None) -> JudgePrompt:
    """Return the built-in prompt of a kind, or the one at `path`.

    Raises:
        UserError: the file can't be read or lacks a field.
    """
    if path is not None and path.is_dir():
        override = path / f"{kind.name}.txt"
        path = override if override.is_file() else None
    elif path is not None and kind.is_second and path.suffix != ".py":
        path = None
    if path is None:
        text = (
            files("groundtune.bench.judge").joinpath("texts", f"{kind.name}.txt").read_text("utf-8")
        )
        return _of_text(text, kind, f"groundtune/{kind.name}.txt")
    refuse_special(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            "The judge prompt can't be read.", str(path), "Give a text file in UTF-8."
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
    return _check(_split(text, kind), system.strip(), kind, name)


def _split(text: str, kind: PromptKind) -> list[PromptPiece]:
    """Split text at its fields; unnamed fields are the kind's, in order."""
    pieces, last = list[PromptPiece](), 0
    field_names = iter(kind.fields)
    for match in _FIELD.finditer(text):
        name = match[1] or next(field_names, "")
        if name in kind.fields:
            pieces += [PromptPiece(text[last : match.start()]), PromptPiece(name, is_field=True)]
            last = match.end()
    return [*pieces, PromptPiece(text[last:])]


def _check(pieces: Sequence[PromptPiece], system: str, kind: PromptKind, name: str) -> JudgePrompt:
    names = {piece.text for piece in pieces if piece.is_field}
    if missing := [field_name for field_name in kind.fields if field_name not in names]:
        raise UserError(
            f"The judge prompt lacks the field {{{missing[0]}}}.",
            name,
            f"Use all of {', '.join(f'{{{field_name}}}' for field_name in kind.fields)}.",
        )
    digest = key_of(system, [list(piece) for piece in pieces])[:12]
    return JudgePrompt(pieces=tuple(pieces), system=system, name=f"{name} ({digest})")


def _of_script(text: str, kind: PromptKind, path: Path) -> JudgePrompt:
    """Return the prompt that an official script builds, read from its syntax tree."""
    spec = kind.script
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise UserError(
            "The script is not Python.", f"{path}:{error.lineno}", "Give the unchanged script."
        ) from error
    if spec is None:
        raise _not_found(path, kind)
    parser = _Script(spec, kind)
    parser.read(tree.body, follow=not spec.function)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == spec.function:
            parser.read(node.body, follow=True)
    if not parser.pieces:
        raise _not_found(path, kind)
    return _check(parser.pieces, _system_of(tree), kind, path.name)


class _Script:
    """Follows the assignments to one variable."""

    def __init__(self, spec: ScriptPrompt, kind: PromptKind) -> None:
        self.script = spec
        self.kind = kind
        self.constants: dict[str, str] = {}
        self.pieces: list[PromptPiece] = []

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
        if follow and target.id == self.script.variable:
            pieces = self._pieces(node.value)
            self.pieces = [*self.pieces, *pieces] if isinstance(node, ast.AugAssign) else pieces

    def _pieces(self, node: ast.expr) -> list[PromptPiece]:
        if isinstance(node, ast.Constant):
            text = str(node.value)
            has_unnamed_fields = not self.script.expressions
            return _split(text, self.kind) if has_unnamed_fields else [PromptPiece(text)]
        if isinstance(node, ast.JoinedStr):
            return [piece for value in node.values for piece in self._pieces(value)]
        if isinstance(node, ast.FormattedValue):
            return self._pieces(node.value)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return [*self._pieces(node.left), *self._pieces(node.right)]
        if isinstance(node, ast.Name) and node.id in self.constants:
            return [PromptPiece(self.constants[node.id])]
        name = self.script.expressions.get(ast.unparse(node), "")
        return [PromptPiece(name, is_field=True)] if name else []


def _system_of(tree: ast.Module) -> str:
    """Return the system text of a script: a message's, or the argument `chat_gpt_system`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            fields = {ast.unparse(k): v for k, v in zip(node.keys, node.values, strict=True) if k}
            role, content = fields.get("'role'"), fields.get("'content'")
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
        f"Give the official script, or a text file with the fields {', '.join(kind.fields)}.",
    )
