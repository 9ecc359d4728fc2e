"""LLaMA-Factory's two layouts of preferences with images (0.9.5, `data/converter.py`).

Files are JSON, which names images, or Parquet, which has them inside.

Sharegpt: conversations [{from, value}] with `<image>` in the values, chosen {from, value}, rejected
{from, value}, images [path]. Alpaca: instruction, input, system, history [[question, answer]],
chosen, rejected, images; instruction and input are one text with a line's end between.

Columns and tags may have other names: they are those of the entry for the file in the
dataset_info.json beside it. A new file gets an entry there, "ranking": true, under its own name.
Images are named from the file's folder, which is LLaMA-Factory's `media_dir` by default.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingTypeStubs=false
# Reason: pyarrow ships no types.

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from groundtune.errors import UserError
from groundtune.interchange.dialogue import (
    check_turns_alternate,
    join_pieces,
    list_of,
    object_of,
    read_turns,
    split_text,
    text_of,
    with_images_first,
)
from groundtune.interchange.images import as_struct, row_images
from groundtune.interchange.layout import IMAGE, Content, Layout, Refused, Role, Turn
from groundtune.store.json_writing import json_of
from groundtune.store.rows import Fields, json_file

_INFO = "dataset_info.json"
_TAGS: dict[str, Role] = {"human": "user", "gpt": "assistant", "system": "system"}
_NAMES: dict[Role, str] = {role: tag for tag, role in _TAGS.items()}
_SIDES = ("chosen", "rejected")
_SPOKEN = ("conversations", *_SIDES)
_TAGGED = {"user": "human", "assistant": "gpt", "system": "system"}
_COLUMNS = {
    "messages": "conversations",
    "prompt": "instruction",
    "query": "input",
    **{
        name: name
        for name in (
            *("history", "system", "chosen", "rejected", "images"),
            *("videos", "audios"),
        )
    },
}
"""Names in dataset_info.json, and those of the columns as they are by default."""


def _parse_sharegpt(row: Fields) -> Content:
    images = row_images(row.get("images"), "images")
    turns = read_turns(
        row.get("conversations"), "conversations", role="from", content="value", roles=_TAGS
    )
    turns = _led_by_system(row, turns)
    chosen, rejected = (_answer(row, side) for side in _SIDES)
    return Content(
        turns=with_images_first(turns, len(images)),
        images=images,
        chosen=chosen,
        rejected=rejected,
    )


def _led_by_system(row: Fields, turns: Sequence[Turn]) -> list[Turn]:
    system = row.get("system")
    if not system:
        return list(turns)
    return [Turn("system", split_text(text_of(row, "system"))), *turns]


def _answer(row: Fields, side: str) -> str:
    message = object_of(row.get(side), side)
    if message.get("from") != "gpt":
        raise Refused("The answer is not from 'gpt'", side)
    return text_of(message, "value", side)


def _render_sharegpt(content: Content, columns: Sequence[str]) -> dict[str, Any]:
    turns = content.turns
    check_turns_alternate(turns, "LLaMA-Factory")
    said: dict[str, Any] = {}
    if "system" in columns and turns[0].role == "system":
        said["system"] = join_pieces(turns[0].pieces)
        turns = turns[1:]
    said["conversations"] = [
        {"from": _NAMES[turn.role], "value": join_pieces(turn.pieces)} for turn in turns
    ]
    said |= {side: {"from": "gpt", "value": getattr(content, side)} for side in _SIDES}
    return said | _images(content, columns)


def _images(content: Content, columns: Sequence[str]) -> dict[str, Any]:
    if columns and "images" not in columns:
        return {}
    return {
        "images": [each.path if each.data is None else as_struct(each) for each in content.images]
    }


def _parse_alpaca(row: Fields) -> Content:
    images = row_images(row.get("images"), "images")
    turns: list[Turn] = _led_by_system(row, ())
    for pair in list_of(row.get("history") or [], "history"):
        texts = list_of(pair, "history")
        if len(texts) != 2 or not all(isinstance(text, str) for text in texts):
            raise Refused("A turn of the history is not two texts", "history")
        turns.append(Turn("user", split_text(str(texts[0]))))
        turns.append(Turn("assistant", split_text(str(texts[1]))))
    asked = [text_of(row, "instruction"), text_of(row, "input") if row.get("input") else ""]
    turns.append(Turn("user", split_text("\n".join(filter(None, asked)))))
    return Content(
        turns=with_images_first(turns, len(images)),
        images=images,
        chosen=text_of(row, "chosen"),
        rejected=text_of(row, "rejected"),
    )


def _render_alpaca(content: Content, columns: Sequence[str]) -> dict[str, Any]:
    turns = list(content.turns)
    check_turns_alternate(turns, "LLaMA-Factory")
    said: dict[str, Any] = {}
    if turns[0].role == "system":
        said["system"] = join_pieces(turns.pop(0).pieces)
    asked = turns.pop()
    texts = [join_pieces(turn.pieces) for turn in turns]
    said |= {"instruction": join_pieces(asked.pieces), "input": ""}
    if texts or "history" in columns:
        said["history"] = [list(pair) for pair in zip(texts[::2], texts[1::2], strict=True)]
    said |= {"chosen": content.chosen, "rejected": content.rejected}
    return said | _images(content, columns)


def _entry(path: Path) -> Mapping[str, Any]:
    """The entry of dataset_info.json beside a file that names it; empty if there is none.

    Raises:
        UserError: dataset_info.json can't be read.
    """
    for each in _info(path).values():
        entry = cast("Mapping[str, Any]", each if isinstance(each, dict) else {})
        if entry.get("file_name") == path.name:
            return entry
    return {}


def _translate(formatting: str, path: Path) -> Callable[[Fields], Fields]:
    """What gives rows the usual columns and tags, as dataset_info.json names them."""
    entry = _entry(path)
    if entry and entry.get("formatting", "alpaca") != formatting:
        raise UserError(
            f"{_INFO} declares the format {entry.get('formatting', 'alpaca')}, not {formatting}.",
            str(path),
            "Import it as llama-factory (sharegpt) or llama-factory-alpaca.",
        )
    columns, tags = (cast("dict[str, str]", entry.get(name) or {}) for name in ("columns", "tags"))
    names = {columns[name]: usual for name, usual in _COLUMNS.items() if columns.get(name)}
    keys = {tags.get("role_tag", "from"): "from", tags.get("content_tag", "value"): "value"}
    roles = {tags.get(f"{role}_tag", tag): tag for role, tag in _TAGGED.items()}

    def usual(value: object) -> object:
        if isinstance(value, list):
            return [usual(each) for each in cast("list[object]", value)]
        if not isinstance(value, dict):
            return value
        message = cast("dict[str, object]", value)
        named = {keys.get(name, name): each for name, each in message.items()}
        return {**named, "from": roles.get(str(named.get("from")), named.get("from"))}

    def translate(row: Fields) -> Fields:
        named = {names.get(name, name): value for name, value in row.items()}
        return {name: usual(value) if name in _SPOKEN else value for name, value in named.items()}

    return translate if names or tags else dict


def _beside(formatting: str, path: Path, columns: Sequence[str]) -> Sequence[tuple[Path, bytes]]:
    """dataset_info.json with an entry for the file, under the name that it has without ending."""
    entry = {
        "file_name": path.name,
        "formatting": formatting,
        "ranking": True,
        "columns": {name: usual for name, usual in _COLUMNS.items() if usual in columns},
    }
    info = {**_info(path), path.stem: entry}
    text = json_of(info, where=_INFO, indent=2)
    return [(path.with_name(_INFO), text.encode() + b"\n")]


def _info(path: Path) -> dict[str, object]:
    info = path.with_name(_INFO)
    if not info.exists():
        return {}
    fix = "Fix the file, or move it away."
    found = json_file(info, fix)
    if not isinstance(found, dict):
        raise UserError("The file is not a JSON object.", str(info), fix)
    return cast("dict[str, object]", found)


def _schema(kinds: Mapping[str, pa.DataType], columns: Sequence[str]) -> dict[str, pa.DataType]:
    """The types of the columns of a Parquet file; optional ones only if its rows had them."""
    return {
        name: kind
        for name, kind in kinds.items()
        if name in columns or (name not in _OPTIONAL and (name != "images" or not columns))
    }


_OPTIONAL = ("system", "history")
_MESSAGE = pa.struct([("from", pa.string()), ("value", pa.string())])
_SHAREGPT_KINDS: dict[str, pa.DataType] = {
    "system": pa.string(),
    "conversations": pa.list_(_MESSAGE),
    **dict.fromkeys(_SIDES, _MESSAGE),
    "images": pa.list_(IMAGE),
}
_ALPACA_KINDS: dict[str, pa.DataType] = {
    **dict.fromkeys(("system", "instruction", "input"), pa.string()),
    "history": pa.list_(pa.list_(pa.string())),
    **dict.fromkeys(_SIDES, pa.string()),
    "images": pa.list_(IMAGE),
}

SHAREGPT = Layout(
    name="llama-factory",
    title="LLaMA-Factory (sharegpt)",
    endings=(".json", ".jsonl", ".parquet"),
    images=frozenset({"images"}),
    schema=partial(_schema, _SHAREGPT_KINDS),
    parse=_parse_sharegpt,
    render=_render_sharegpt,
    translate=partial(_translate, "sharegpt"),
    beside=partial(_beside, "sharegpt"),
)

ALPACA = Layout(
    name="llama-factory-alpaca",
    title="LLaMA-Factory (alpaca)",
    endings=(".json", ".jsonl", ".parquet"),
    images=frozenset({"images"}),
    schema=partial(_schema, _ALPACA_KINDS),
    parse=_parse_alpaca,
    render=_render_alpaca,
    translate=partial(_translate, "alpaca"),
    beside=partial(_beside, "alpaca"),
)
