"""Merges a YAML recipe with overrides and validates it against the schema it is given.

Later layers win: the schema's defaults, the command's settings, file, `key=value` texts, options.
Texts are YAML; the command's settings and options are data, and are used as they are. Mappings
merge key by key, everything else is replaced. So `method.type=dpo` over a file that says
`ddpo` keeps what both methods have, and fails, naming the keys, on what DPO lacks. An unknown key,
a key given twice and a value of the wrong type are errors of the user's input, with the line.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeVar, cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from groundtune.errors import UserError
from groundtune.plugins import MoreVariants
from groundtune.records import Record
from groundtune.yaml_text import Keys, YamlError, parse_yaml, read_yaml

Origin = Literal["default", "command", "file", "override"]
Tree = dict[str, Any]
Schema = TypeVar("Schema", bound=BaseModel)
PACKAGE_OF = "package of "
"""Before the name of a setting."""
ABOUT = "about"
"""Key of a file with what a recipe says of itself: no setting (see `pipeline/recipes/about.py`)."""


class Settings(Record):
    """What a user says of a stage or a command: a recipe, or a part of one."""

    MAY_CHANGE: ClassVar[frozenset[str]] = frozenset()
    """Fields that change no result: a run resumes although they have changed."""

    def part(self, schema: type[Schema], **changes: object) -> Schema:
        """Return the settings that `schema` has too, with changes, as one record.

        Raises:
            ValidationError: a change that `schema` refuses or lacks.
        """
        shared = schema.model_fields.keys() & type(self).model_fields.keys()
        return schema.model_validate({name: getattr(self, name) for name in shared} | changes)

    def decisive(self) -> dict[str, Any]:
        """Return what decides the results, as a key takes it: all but MAY_CHANGE, at any depth.

        Next to a value whose type is from another package is this package's version and hash.
        """
        tree = self.model_dump(mode="json", exclude=set(self.MAY_CHANGE))
        decisive = {name: _decisive(getattr(self, name), value) for name, value in tree.items()}
        for name, info in type(self).model_fields.items():
            for more in info.metadata:
                if isinstance(more, MoreVariants):
                    package = more.package_of(getattr(self, name))
                    decisive |= {PACKAGE_OF + name: package} if package else {}
        return decisive

    def packages(self) -> dict[str, str]:
        """Return the other packages that `decisive` names, for the inputs of a run."""
        return {
            PACKAGE_OF + ".".join((*keys, last.removeprefix(PACKAGE_OF))): str(package)
            for (*keys, last), package in _branches(self.decisive())
            if last.startswith(PACKAGE_OF)
        }


def _decisive(value: object, dumped: Any) -> Any:
    if isinstance(value, Settings):
        return value.decisive()
    if isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value).items()
        return {name: _decisive(each, dumped[name]) for name, each in items}
    return dumped


class Value(NamedTuple):
    """A value of a recipe, by its dotted key."""

    key: str
    value: object
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedRecipe(Generic[Schema]):
    """A validated recipe, and where each of its values came from."""

    recipe: Schema
    values: list[Value]


def load(
    path: Path | None,
    overrides: Sequence[str],
    schema: type[Schema],
    *,
    command: Mapping[str, object] | None = None,
    options: Mapping[str, object] | None = None,
) -> Schema:
    """Return the recipe that file, overrides and options give.

    Args:
        path: YAML file, or None for the defaults.
        overrides: `dotted.key=value`, the value in YAML; `key=` is the empty text.
        schema: What the recipe must be; fields that it lacks are refused at every depth.
        command: The command's settings, between the schema's defaults and the file.
        options: Values by dotted key, over everything else; None is an option that is not given.

    Raises:
        UserError: A file, key or value that can't be used, with its line, override or option.
    """
    return resolve(path, overrides, schema, command=command, options=options).recipe


def resolve(
    path: Path | None,
    overrides: Sequence[str],
    schema: type[Schema],
    *,
    command: Mapping[str, object] | None = None,
    options: Mapping[str, object] | None = None,
) -> ResolvedRecipe[Schema]:
    """Return what `load` does, with the origin of each value."""
    merged = _SettingsTree()
    merged.add(_data(command or {}), "command", {}, "the command's settings")
    if path is not None:
        merged.add(*_read(path))
    for override in overrides:
        _override(merged, override)
    for key, value in (options or {}).items():
        if value is not None:
            _set(merged, tuple(key.split(".")), _value(value), f"option {key}={value}")
    _fill_types(merged.tree, schema)
    try:
        recipe = schema.model_validate(merged.tree, extra="forbid")
    except ValidationError as error:
        where = str(path) if path else "the recipe"
        raise _Explanation(error.errors(include_url=False), merged, schema, where).error() from None
    return ResolvedRecipe(
        recipe=recipe,
        values=[
            Value(".".join(keys), value, merged.origin(keys))
            for keys, value in _branches(recipe.model_dump(mode="json"))
        ],
    )


class _Mark(NamedTuple):
    origin: Origin
    where: str


@dataclass(slots=True)
class _SettingsTree:
    """The tree so far, and who set each of its values last."""

    tree: Tree = field(default_factory=dict[str, Any])
    marks: dict[Keys, _Mark] = field(default_factory=dict[Keys, _Mark])
    places: dict[Keys, str] = field(default_factory=dict[Keys, str])

    def add(self, tree: Tree, origin: Origin, places: dict[Keys, str], where: str = "") -> None:
        """Lay a tree over this one; `where` is the place of keys that `places` lacks."""
        for keys, value in _branches(tree):
            self.set(keys, value, _Mark(origin, places.get(keys, where)))
        self.places |= places

    def set(self, keys: Keys, value: object, mark: _Mark) -> None:
        """Set one value; the marks under it go."""
        node = self.tree
        for depth, key in enumerate(keys[:-1], start=1):
            inner = node.setdefault(key, {})
            if not isinstance(inner, dict):
                what = (
                    f"{'.'.join(keys)} can't be set: {'.'.join(keys[:depth])} is {_short(inner)}."
                )
                raise UserError(what, mark.where, "Set the whole value, or only keys of a mapping.")
            node = cast(Tree, inner)
        if value == {} and isinstance(node.get(keys[-1]), dict):
            return
        node[keys[-1]] = value
        self.marks = {have: old for have, old in self.marks.items() if have[: len(keys)] != keys}
        self.marks[keys] = mark

    def mark(self, keys: Keys) -> _Mark | None:
        """Who set this value, or else the nearest mapping around it that was set as a whole."""
        prefixes = (keys[:length] for length in range(len(keys), 0, -1))
        return next((self.marks[prefix] for prefix in prefixes if prefix in self.marks), None)

    def origin(self, keys: Keys) -> Origin:
        """`default` where nobody set it."""
        mark = self.mark(keys)
        return mark.origin if mark else "default"


def _read(path: Path) -> tuple[Tree, Origin, dict[Keys, str]]:
    """A file's tree, and the line of each of its keys."""
    yaml = read_yaml(path)
    tree: object = {} if yaml.value is None else yaml.value
    if not isinstance(tree, dict):
        raise UserError("A recipe is a mapping.", f"{path}:1", "Write `key: value` lines.")
    tree = {key: value for key, value in cast(Tree, tree).items() if key != ABOUT}
    return tree, "file", {keys: f"{path}:{line}" for keys, line in yaml.lines.items()}


def _override(merged: _SettingsTree, override: str) -> None:
    dotted, equals, text = override.partition("=")
    keys = tuple(dotted.strip().split("."))
    where = f"override {override}"
    if not equals or not all(keys):
        raise UserError(f"{_short(override)} is not an override.", where, "Write it as key=value.")
    try:
        value = parse_yaml(text).value if text else ""
    except YamlError as error:
        what = f"{_short(text)} is not a YAML value: {error.problem}."
        raise UserError(what, where, "Quote the value.") from None
    _set(merged, keys, value, where)


def _set(merged: _SettingsTree, keys: Keys, value: object, where: str) -> None:
    """Lay one value over the tree, key by key where it is a mapping."""
    tree: Tree = {}
    _SettingsTree(tree).set(keys, value, _Mark("override", where))
    merged.add(tree, "override", {}, where)


def _data(settings: Mapping[Any, object]) -> Tree:
    """Return settings of Python code as a recipe has them: records as mappings, paths as text."""
    return {str(key): _value(value) for key, value in settings.items()}


def _value(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, Mapping):
        return _data(cast("Mapping[Any, object]", value))
    return str(value) if isinstance(value, Path) else value


def _branches(tree: Mapping[Any, Any], above: Keys = ()) -> Iterator[tuple[Keys, object]]:
    """Every value that is not a filled mapping, with its keys."""
    for key, value in tree.items():
        keys = (*above, str(key))
        if isinstance(value, Mapping) and value:
            yield from _branches(cast("Mapping[Any, Any]", value), keys)
        else:
            yield keys, {} if isinstance(value, Mapping) else value


def _fill_types(tree: Tree, schema: type[BaseModel]) -> None:
    """Give a variant that is set without its type the default's, as in `method.beta=0.5`."""
    for name, info in schema.model_fields.items():
        node = tree.get(name)
        if not isinstance(node, dict):
            continue
        node = cast(Tree, node)
        default: object = info.get_default(call_default_factory=True, validated_data={})
        if isinstance(info.discriminator, str) and isinstance(default, BaseModel):
            node.setdefault(info.discriminator, getattr(default, info.discriminator))
        for model in _models(info.annotation)[:1]:
            _fill_types(node, model)


def _models(annotation: object) -> list[type[BaseModel]]:
    """The record types named in an annotation, in order."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models(inner)]


def _variants(info: FieldInfo) -> list[type[BaseModel]]:
    """The record types that a field may hold, those included that other packages added."""
    added = [more.plugins.loaded for more in info.metadata if isinstance(more, MoreVariants)]
    return [*_models(info.annotation), *(model for each in added for model in each.values())]


def _tag_field(model: type[BaseModel], tag: object) -> str:
    """The field whose Literal is `tag`, or ""."""
    fields = model.model_fields.items()
    return next((name for name, info in fields if tag in get_args(info.annotation)), "")


@dataclass(frozen=True, slots=True)
class _Explanation:
    """Turns pydantic's list of errors into one UserError that speaks of the user's own lines."""

    errors: list[ErrorDetails]
    merged: _SettingsTree
    schema: type[BaseModel]
    where: str

    def error(self) -> UserError:
        unknown = [error for error in self.errors if error["type"] == "extra_forbidden"]
        if unknown:
            return self._unknown(unknown)
        first = self.errors[0]
        keys = self._keys(first)
        dotted = ".".join(keys) or "the recipe"
        fix = f"{first['msg'].replace('Input should', 'It should')}."
        fix = fix.replace("a valid tuple", "a list, such as [0, 1]")
        what = f"{dotted} is {_short(first['input'])}."
        context = first.get("ctx", {})
        if first["type"] == "missing":
            what, fix = f"{dotted} is missing.", "Set it in the file, or as key=value."
        elif first["type"] == "union_tag_invalid":
            field_name = str(context["discriminator"]).strip("'")
            what = f"{dotted}.{field_name} is {_short(context['tag'])}."
            fix = f"It should be one of {context['expected_tags']}."
            keys = (*keys, field_name)
        elif first["type"] == "union_tag_not_found":
            field_name = str(context["discriminator"]).strip("'")
            what, fix = f"{dotted}.{field_name} is missing.", f"Set {dotted}.{field_name}."
        elif first["type"] == "value_error":
            what, fix = _sentence(str(context["error"])), f"Change {dotted}."
        others = dict.fromkeys(".".join(self._keys(error)) for error in self.errors)
        return UserError(what, self._place(keys), _with_others(fix, list(others)[1:]))

    def _unknown(self, errors: list[ErrorDetails]) -> UserError:
        keys = self._keys(errors[0])
        chosen, variants = self._models_at(errors[0]["loc"])
        siblings = [self._keys(e)[-1] for e in errors if self._keys(e)[:-1] == keys[:-1]]
        missing = [key for key in siblings if any(key in model.model_fields for model in variants)]
        type_field = _tag_field(chosen[0], errors[0]["loc"][-2]) if missing else ""
        if type_field:
            chooser = ".".join((*keys[:-1], type_field))
            what = f"{chooser}={errors[0]['loc'][-2]} has no {', '.join(missing)}."
            fix = f"Take {', '.join(missing)} out, or choose another {chooser}."
            return UserError(what, self._place((*keys[:-1], missing[0])), fix)
        names = sorted({name for model in chosen for name in model.model_fields})
        near = difflib.get_close_matches(keys[-1], names, n=1)
        fix = f"Did you mean {near[0]}?" if near else f"The keys here are {', '.join(names)}."
        what = f"{'.'.join(keys)} is not a key of the recipe."
        others = [".".join(self._keys(error)) for error in errors[1:]]
        return UserError(what, self._place(keys), _with_others(fix, others))

    def _keys(self, error: ErrorDetails) -> Keys:
        """The error's place in the user's tree: pydantic's, without the names of union variants."""
        node: object = self.merged.tree
        keys: Keys = ()
        for part in error["loc"]:
            if isinstance(node, dict) and part in node:
                node = cast(Tree, node)[str(part)]
            elif isinstance(node, list) and isinstance(part, int):
                node = cast("list[object]", node)[part]
            else:
                continue
            keys = (*keys, str(part))
        return (*keys, str(error["loc"][-1])) if error["type"] == "missing" else keys

    def _models_at(
        self, loc: tuple[int | str, ...]
    ) -> tuple[list[type[BaseModel]], list[type[BaseModel]]]:
        """The types that hold the last key of `loc`, and all variants that might have held it."""
        chosen = siblings = [self.schema]
        for part in loc[:-1]:
            fields = [
                model.model_fields[str(part)] for model in chosen if part in model.model_fields
            ]
            if fields:
                chosen = siblings = [m for info in fields for m in _variants(info)]
            else:
                matches = [m for m in chosen if _tag_field(m, part) or m.__name__ == part]
                chosen = matches or chosen
        return chosen, siblings

    def _place(self, keys: Keys) -> str:
        mark = self.merged.mark(keys)
        if mark is None:
            return self.where
        return self.merged.places.get(keys, mark.where) if mark.origin == "file" else mark.where


def _sentence(text: str) -> str:
    """A validator's words as a sentence."""
    return text[:1].upper() + text[1:].removesuffix(".") + "."


def _short(value: object) -> str:
    """What a user wrote, short enough for a line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _with_others(fix: str, others: list[str]) -> str:
    return f"{fix} Also wrong: {', '.join(others)}." if others else fix
