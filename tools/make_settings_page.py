"""Write docs/settings.md from the JSON Schemas of recipes.

python tools/make_settings_page.py docs/settings.md
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from groundtune.pipeline.recipes.registry import RECIPE_COMMANDS, imported
from groundtune.pipeline.recipes.schema import schema_named

Schema = Mapping[str, Any]
TOP = """\
# Settings

Every setting of every recipe, with its type and default. Write it in the recipe's YAML file, or
after a command:

```yaml
model: MODEL
pairs: runs/mine
optim: {lr: 1e-6}
```

    groundtune train my.yaml optim.lr=1e-6 tune.type=full

A setting whose type is a link is a group: its own settings are in [Groups](#groups), and are
written as `optim.lr`. Where several groups are named, `type` chooses one of them. Where a command's
defaults differ from those of the group, the command's row has them. [Start](start.md#recipes) says
which value wins, and [Commands](commands.md) what each command does.

A recipe of any command may also have `command`, the command that it is for (without it: `train`),
and [`about`](#about), its source, data, needs and figures.
"""
GROUPS = """\
## Groups

Those of `method` in recipes that train on pairs are on [Methods](methods.md).
"""
METHODS = schema_named("train")["properties"]["method"]["discriminator"]["mapping"]
COMMON = {"command", "about", "type"}
"""Settings that the page's beginning explains, and the names of groups."""


def page() -> str:
    """The page's text: a table for each command, then one for each group of settings."""
    groups: dict[str, Schema] = {}
    sections: list[str] = []
    for name, command in RECIPE_COMMANDS.items():
        model: type[BaseModel] = imported(command.schema)
        needed = {each for each, info in model.model_fields.items() if info.is_required()}
        schema = schema_named(name.replace(" ", "-"))
        found = schema["$defs"] | {"About": schema["properties"]["about"]}
        assert all(groups.get(each, found[each]) == found[each] for each in found), name
        groups |= found
        sections.append(section(f"## `{name}`", schema | {"required": sorted(needed)}, groups))
    for name in sorted(groups, key=str.lower):
        if not is_method(groups[name]):
            sections.append(section(f"### {name}", groups[name], groups))
    at = len(RECIPE_COMMANDS)
    return "\n".join([TOP, *sections[:at], GROUPS, *sections[at:]])


def section(heading: str, schema: Schema, groups: Mapping[str, Schema]) -> str:
    """Return a command's or a group's heading, what it is, and the table of its settings."""
    needed = schema.get("required", [])
    fields = {k: v for k, v in schema.get("properties", {}).items() if k not in COMMON}
    names = sorted(fields, key=lambda name: name not in needed)  # these first
    rows = [row(name, fields[name], groups, required=name in needed) for name in names]
    table = ["| setting | type | default | |", "|---|---|---|---|", *rows]
    parts = [heading, schema.get("description", "").strip(), "\n".join(table) if rows else ""]
    return "\n\n".join(part for part in parts if part) + "\n"


def row(name: str, field: Schema, groups: Mapping[str, Schema], *, required: bool) -> str:
    """Return a setting's row."""
    text = field.get("description", "")
    if not text and (target := field.get("$ref")):
        text = groups[named(target)].get("description", "").partition("\n\n")[0]
    default = "required" if required else default_of(field, groups)
    cells = [f"`{name}`", type_of(field, groups), default, " ".join(text.split())]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def named(target: str) -> str:
    """Return the group's name in a reference."""
    return target.rpartition("/")[2]


def is_method(group: Schema) -> bool:
    """Whether a group is a method of training on pairs, which docs/methods.md has."""
    return kind_of(group) in METHODS


def kind_of(group: Schema) -> str:
    """Return the `type` that chooses a group; "" if none does."""
    return str(group.get("properties", {}).get("type", {}).get("const", ""))


def type_of(field: Schema, groups: Mapping[str, Schema]) -> str:
    """Return a setting's type in words, with its limits; a group's is a link."""
    if target := field.get("$ref"):
        return link(named(target), groups)
    for many in ("oneOf", "anyOf"):
        if many in field:
            return ", ".join(type_of(each, groups) for each in field[many])
    if "enum" in field:
        return ", ".join(f"`{json.dumps(each).strip(chr(34))}`" for each in field["enum"])
    kind = field.get("type", "")
    if kind == "array":
        items = field["prefixItems"][0] if "prefixItems" in field else field.get("items", {})
        return f"list of {type_of(items, groups)}"
    if kind == "object":
        values = field.get("additionalProperties")
        return f"names with {type_of(values, groups) if isinstance(values, dict) else 'values'}"
    words = {"string": "text", "boolean": "true or false", "integer": "whole number"}
    word = "path" if field.get("format") == "path" else words.get(kind, kind)
    return " ".join([word, limits(field)]).strip()


def link(name: str, groups: Mapping[str, Schema]) -> str:
    """Return a link to a group, by the `type` that chooses it or else by its name."""
    kind = kind_of(groups[name])
    if is_method(groups[name]):
        return f"[`{kind}`](methods.md#{kind})"
    return f"[{f'`{kind}`' if kind else name}](#{name.lower()})"


def limits(field: Schema) -> str:
    """Return what a number may be, as it is written in mathematics."""
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    found = [f"{sign} {field[key]:.12g}" for key, sign in signs.items() if key in field]
    return ", ".join(each for each in found if not each.endswith("e+18"))  # 64 bits go without


def default_of(field: Schema, groups: Mapping[str, Schema]) -> str:
    """Return a setting's default; of a group, where it differs from the group's own defaults."""
    if "default" not in field:  # a group has its own, and pydantic leaves out an empty mapping
        return "" if "$ref" in field else "`{}`"
    default = field["default"]
    if isinstance(default, dict) and (group := group_of(field, default, groups)):
        return ", ".join(f"`{each}`" for each in differences(default, group, groups))
    return f"`{written(default)}`"


def group_of(field: Schema, default: Mapping[str, Any], groups: Mapping[str, Schema]) -> Schema:
    """Return the group that a default is of: the one that is named, or chosen by its `type`."""
    for each in [field, *field.get("oneOf", []), *field.get("anyOf", [])]:
        group = groups.get(named(each.get("$ref", "")), {})
        if group and kind_of(group) == default.get("type", ""):
            return group
    return {}


def differences(
    default: Mapping[str, Any], group: Schema, groups: Mapping[str, Schema], before: str = ""
) -> Iterator[str]:
    """Yield `name=value` for what a default sets otherwise than its group does."""
    for name, value in default.items():
        field = group["properties"][name]
        if name == "type":
            yield f"{before}type={value}"
        elif isinstance(value, dict) and (inner := group_of(field, value, groups)):
            own = field.get("default", {})
            changed = {k: v for k, v in value.items() if k not in own or own[k] != v}
            yield from differences(changed, inner, groups, f"{before}{name}.")
        elif field.get("default", None if value else value) != value:
            yield f"{before}{name}={written(value)}"


def written(value: object) -> str:
    """Return a value as YAML has it in one line."""
    return value if isinstance(value, str) and value.strip() else json.dumps(value)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
