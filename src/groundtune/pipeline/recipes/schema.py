"""JSON Schemas of recipes and of records, for editors and other programs."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from groundtune import records
from groundtune.errors import UserError
from groundtune.pipeline.recipes.about import About
from groundtune.pipeline.recipes.registry import RECIPE_COMMANDS, imported
from groundtune.recipe_loading import ABOUT

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ENDING = ".schema.json"
RECORDS: dict[str, type[BaseModel]] = {
    "prompt": records.Prompt,
    "answer": records.Answer,
    "correction": records.Correction,
    "comparison": records.Comparison,
    "claim": records.Claim,
    "pair": records.Pair,
    "score": records.Score,
    "estimate": records.Estimate,
    "difference": records.Difference,
}


def names() -> dict[str, str]:
    """Return what has a schema, and what it is."""
    recipes = {_slug(name): f"recipes of groundtune {name}" for name in RECIPE_COMMANDS}
    return recipes | {name: f"a row of {name}s" for name in RECORDS}


def schema_named(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a command's recipes, or of a record.

    A recipe may leave out what the command line gives, so nothing is required of it.

    Raises:
        UserError: nothing has this name.
    """
    if name in RECORDS:
        return {"$schema": DIALECT} | _schema(RECORDS[name])
    command = next((each for each in RECIPE_COMMANDS if _slug(each) == name), None)
    if command is None:
        raise UserError(
            f"There is no schema {name!r}.", name, f"The schemas are {', '.join(names())}."
        )
    schema = _schema(imported(RECIPE_COMMANDS[command].schema))
    about = _schema(About)
    schema.pop("required", None)
    schema.setdefault("$defs", {}).update(about.pop("$defs", {}))
    schema["properties"][ABOUT] = about
    return {"$schema": DIALECT} | schema


def _slug(command: str) -> str:
    """Return a command of several words as one."""
    return command.replace(" ", "-")


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return pydantic's schema with the fields' docstrings as descriptions."""
    schema = model.model_json_schema()
    parts = {model.__name__: schema, **schema.get("$defs", {})}
    for each in _reachable(model, set()):
        for name, field in parts.get(each.__name__, {}).get("properties", {}).items():
            if text := _docstrings(each).get(name):
                field.setdefault("description", text)
    return schema


def _reachable(annotation: Any, visited: set[type]) -> Iterator[type[BaseModel]]:
    """Yield the models that an annotation names, and those that their fields name."""
    for inner in get_args(annotation):
        yield from _reachable(inner, visited)
    if (
        inspect.isclass(annotation)
        and issubclass(annotation, BaseModel)
        and annotation not in visited
    ):
        visited.add(annotation)
        yield annotation
        for info in annotation.model_fields.values():
            yield from _reachable(info.annotation, visited)


@cache
def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return the texts under a model's fields, by the field's name."""
    texts: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if each is BaseModel or not issubclass(each, BaseModel):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                texts[field.target.id] = " ".join(str(text.value.value).split())
    return texts
