"""LLaMA-Factory's two layouts of preferences with images (0.9.5, `data/converter.py`).

Files are JSON, which names images, or Parquet, which contains them.

Sharegpt: conversations [{from, value}] with `<image>` in the values, chosen {from, value}, rejected
{from, value}, images [path]. Alpaca: instruction, input, system, history [[question, answer]],
chosen, rejected, images; instruction and input are one text, joined by a line break.

Columns and tags may have other names, defined by the file's entry in the dataset_info.json next to
it. A new file gets an entry there, "ranking": true, under its name. Image paths are relative to the
file's folder, which is LLaMA-Factory's default `media_dir`.
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
from groundtune.interchange.layout import IMAGE, Content, Layout, LayoutError, Role, Turn
from groundtune.store.json_writing import json_of
from groundtune.store.rows import Fields, json_file

_INFO = "dataset_info.json"
_TAGS: dict[str, Role] = {"human": "user", "gpt": "assistant", "system": "system"}
_NAMES: dict[Role, str] = {role: tag for tag, role in _TAGS.items()}
_SIDES = ("chosen", "rejected")
_MESSAGE_COLUMNS = ("conversations", *_SIDES)
_TAGS_OF = {"user": "human", "assistant": "gpt", "system": "system"}
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
"""Names in dataset_info.json, and the default names of the columns."""


def _parse_sharegpt(row: Fields) -> Content:
    images = row_images(row.get("images"), "images")
    turns = read_turns(
        row.get("conversations"), "conversations", role="from", content="value", roles=_TAGS
    )
    turns = _with_system_turn(row, turns)
    chosen, rejected = (_answer(row, side) for side in _SIDES)
    return Content(
        turns=with_images_first(turns, len(images)),
        images=images,
        chosen=chosen,
        rejected=rejected,
    )


def _with_system_turn(row: Fields, turns: Sequence[Turn]) -> list[Turn]:
    system = row.get("system")
    if not system:
        return list(turns)
    return [Turn("system", split_text(text_of(row, "system"))), *turns]


def _answer(row: Fields, side: str) -> str:
    message = object_of(row.get(side), side)
    if message.get("from") != "gpt":
        raise LayoutError("The answer is not from 'gpt'", side)
    return text_of(message, "value", side)


def _render_sharegpt(content: Content, columns: Sequence[str]) -> dict[str, Any]:
    turns = content.turns
    check_turns_alternate(turns, "LLaMA-Factory")
    fields: dict[str, Any] = {}
    if "system" in columns and turns[0].role == "system":
        fields["system"] = join_pieces(turns[0].pieces)
        turns = turns[1:]
    fields["conversations"] = [
        {"from": _NAMES[turn.role], "value": join_pieces(turn.pieces)} for turn in turns
    ]
    fields |= {side: {"from": "gpt", "value": getattr(content, side)} for side in _SIDES}
    return fields | _images(content, columns)


def _images(content: Content, columns: Sequence[str]) -> dict[str, Any]:
    if columns and "images" not in columns:
        return {}
    return {
        "images": [
            image.path if image.data is None else as_struct(image) for image in content.images
        ]
    }


def _parse_alpaca(row: Fields) -> Content:
    images = row_images(row.get("images"), "images")
    turns: list[Turn] = _with_system_turn(row, ())
    for pair in list_of(row.get("history") or [], "history"):
        texts = list_of(pair, "history")
        if len(texts) != 2 or not all(isinstance(text, str) for text in texts):
            raise LayoutError("A turn of the history is not two texts", "history")
        turns.append(Turn("user", split_text(str(texts[0]))))
        turns.append(Turn("assistant", split_text(str(texts[1]))))
    question_parts = [
        text_of(row, "instruction"),
        text_of(row, "input") if row.get("input") else "",
    ]
    turns.append(Turn("user", split_text("\n".join(filter(None, question_parts)))))
    return Content(
        turns=with_images_first(turns, len(images)),
        images=images,
        chosen=text_of(row, "chosen"),
        rejected=text_of(row, "rejected"),
    )


def _render_alpaca(content: Content, columns: Sequence[str]) -> dict[str, Any]:
    turns = list(content.turns)
    check_turns_alternate(turns, "LLaMA-Factory")
    fields: dict[str, Any] = {}
    if turns[0].role == "system":
        fields["system"] = join_pieces(turns.pop(0).pieces)
    question = turns.pop()
    texts = [join_pieces(turn.pieces) for turn in turns]
    fields |= {"instruction": join_pieces(question.pieces), "input": ""}
    if texts or "history" in columns:
        fields["history"] = [list(pair) for pair in zip(texts[::2], texts[1::2], strict=True)]
    fields |= {"chosen": content.chosen, "rejected": content.rejected}
    return fields | _images(content, columns)


def _entry(path: Path) -> Mapping[str, Any]:
    """The entry of a file in the dataset_info.json next to it; empty if there is none.

    Raises:
        UserError: dataset_info.json can't be read.
    """
    for value in _info(path).values():
        entry = cast("Mapping[str, Any]", value if isinstance(value, dict) else {})
        if entry.get("file_name") == path.name:
            return entry
    return {}


def _translate(formatting: str, path: Path) -> Callable[[Fields], Fields]:
    """Return the function that gives rows the default columns and tags, by dataset_info.json."""
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
    roles = {tags.get(f"{role}_tag", tag): tag for role, tag in _TAGS_OF.items()}

    def usual(value: object) -> object:
        if isinstance(value, list):
            return [usual(item) for item in cast("list[object]", value)]
        if not isinstance(value, dict):
            return value
        message = cast("dict[str, object]", value)
        renamed = {keys.get(name, name): item for name, item in message.items()}
        return {**renamed, "from": roles.get(str(renamed.get("from")), renamed.get("from"))}

    def translate(row: Fields) -> Fields:
        renamed = {names.get(name, name): value for name, value in row.items()}
        return {
            name: usual(value) if name in _MESSAGE_COLUMNS else value
            for name, value in renamed.items()
        }

    return translate if names or tags else dict


def _dataset_info(
    formatting: str, path: Path, columns: Sequence[str]
) -> Sequence[tuple[Path, bytes]]:
    """dataset_info.json with an entry for the file, under its name without ending."""
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
    content = json_file(info, fix)
    if not isinstance(content, dict):
        raise UserError("The file is not a JSON object.", str(info), fix)
    return cast("dict[str, object]", content)


def _schema(kinds: Mapping[str, pa.DataType], columns: Sequence[str]) -> dict[str, pa.DataType]:
    """The types of a Parquet file's columns; optional ones only if its rows had them."""
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
    extra_files=partial(_dataset_info, "sharegpt"),
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
    extra_files=partial(_dataset_info, "alpaca"),
)
