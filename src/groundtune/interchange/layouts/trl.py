"""TRL's preference data, with images or without (TRL 1.16, `DataCollatorForVisionPreference`).

    images  list of images, or `image`, one
    prompt  messages {role, content}, the content a text or a list of {"type": "image"} and
            {"type": "text", "text": ...}; or one text
    chosen, rejected  one assistant's message, or a text like the prompt

Without a prompt, chosen and rejected are complete dialogues with a common beginning. If no part of
the prompt is an image, the images come first, as in TRL. In a new file, content is always a list.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingTypeStubs=false
# Reason: pyarrow ships no types.

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from groundtune.interchange.dialogue import (
    list_of,
    number_of,
    object_of,
    text_of,
    with_images_first,
)
from groundtune.interchange.images import as_struct, row_images
from groundtune.interchange.layout import IMAGE, Content, Layout, LayoutError, Role, Turn
from groundtune.store.rows import Fields

_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}
_SIDES = ("chosen", "rejected")
_PART = pa.struct([("text", pa.string()), ("type", pa.string())])
_MESSAGES = pa.list_(pa.struct([("content", pa.list_(_PART)), ("role", pa.string())]))


def _parse(row: Fields) -> Content:
    column = "images" if row.get("images") is not None else "image"
    images = row_images(row.get(column), column)
    prompt = row.get("prompt")
    if isinstance(prompt, str):
        turns = [Turn("user", (prompt,))]
        answers = [text_of(row, side) for side in _SIDES]
    elif prompt is not None:
        turns = _turns(prompt, "prompt")
        answers = [_answer(_turns(row.get(side), side), side) for side in _SIDES]
    else:
        chosen, rejected = (_turns(row.get(side), side) for side in _SIDES)
        if not chosen or chosen[:-1] != rejected[:-1]:
            raise LayoutError(
                "There is no prompt, and the two dialogues have no common beginning", "prompt"
            )
        turns = chosen[:-1]
        answers = [
            _answer(dialogue[-1:], side)
            for dialogue, side in ((chosen, "chosen"), (rejected, "rejected"))
        ]
    return Content(
        turns=with_images_first(turns, len(images)),
        images=images,
        chosen=answers[0],
        rejected=answers[1],
        chosen_rating=number_of(row, "score_chosen"),
        rejected_rating=number_of(row, "score_rejected"),
    )


def _turns(messages: object, column: str) -> list[Turn]:
    turns: list[Turn] = []
    for item in list_of(messages, column):
        message = object_of(item, column)
        role, content = message.get("role"), message.get("content")
        if role not in _ROLES:
            raise LayoutError(
                f"A message's 'role' is {role!r}, not one of {', '.join(_ROLES)}", column
            )
        if isinstance(content, str):
            turns.append(Turn(_ROLES[str(role)], (content,)))
            continue
        parts = [object_of(part, column) for part in list_of(content, column)]
        turns.append(Turn(_ROLES[str(role)], tuple(_piece(part, column) for part in parts)))
    return turns


def _piece(part: Mapping[str, Any], column: str) -> str | None:
    if part.get("type") == "image":
        return None
    if part.get("type") != "text":
        raise LayoutError("A part of a message is neither text nor image", column)
    return text_of(part, "text", column)


def _answer(turns: Sequence[Turn], column: str) -> str:
    pieces = turns[0].pieces if len(turns) == 1 and turns[0].role == "assistant" else ()
    if len(pieces) != 1 or pieces[0] is None:
        raise LayoutError("The answer is not one assistant's message with one text", column)
    return pieces[0]


def _render(content: Content, columns: Sequence[str]) -> dict[str, Any]:
    single = "image" in columns and "images" not in columns and len(content.images) == 1
    as_bytes = any(image.data is not None for image in content.images)
    images = [as_struct(image) if as_bytes else image.path for image in content.images]
    fields: dict[str, Any] = {"image": images[0]} if single else {"images": images}
    prompt = [_message(turn.role, turn.pieces) for turn in content.turns]
    answers = {
        side: [_message("assistant", (text,))]
        for side, text in zip(_SIDES, (content.chosen, content.rejected), strict=True)
    }
    if columns and "prompt" not in columns:
        fields |= {side: [*prompt, *answers[side]] for side in _SIDES}
    else:
        fields |= {"prompt": prompt, **answers}
    scores = {"score_chosen": content.chosen_rating, "score_rejected": content.rejected_rating}
    fields |= {name: score for name, score in scores.items() if score is not None}
    if columns and not content.images and "images" not in columns:
        del fields["images"]
    return fields


def _message(role: Role, pieces: Sequence[str | None]) -> dict[str, Any]:
    parts = [
        {"text": None, "type": "image"} if piece is None else {"text": piece, "type": "text"}
        for piece in pieces
    ]
    return {"content": parts, "role": role}


def _schema(columns: Sequence[str]) -> dict[str, pa.DataType]:
    """Lists of parts, unless the rows had other types, which follow from their values."""
    kinds: dict[str, pa.DataType] = {
        "images": pa.list_(IMAGE),
        "image": IMAGE,
        **dict.fromkeys(("prompt", *_SIDES), _MESSAGES),
        **dict.fromkeys(("score_chosen", "score_rejected"), pa.float64()),
    }
    names = columns or ("images", "prompt", *_SIDES, "score_chosen", "score_rejected")
    return {name: kind for name, kind in kinds.items() if name in names}


LAYOUT = Layout(
    name="trl",
    title="TRL",
    endings=(".parquet", ".jsonl", ".json"),
    parse=_parse,
    render=_render,
    images=frozenset({"images", "image"}),
    schema=_schema,
    numbers="ratings",
    scores=frozenset({"score_chosen", "score_rejected"}),
)
