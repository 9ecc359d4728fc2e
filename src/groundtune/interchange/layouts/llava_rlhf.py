"""LLaVA-RLHF's preferences: zhiqings/LLaVA-Human-Preference-10K, one JSON list, apache-2.0.

Sun et al. 2023, arXiv 2309.14525. Columns, as its code reads them: id, image, conversations [{from,
value}] with `<image>` in the values, possibly inside one more list, whose last turn is an answer
that the two outputs replace; output_1 and output_2 {from, value}; preference, 1 or 2. Other
columns, such as `hallucination`, are preserved.
"""

from collections.abc import Sequence
from typing import Any

from groundtune.interchange.dialogue import (
    check_turns_alternate,
    join_pieces,
    list_of,
    object_of,
    read_turns,
    text_of,
    with_images_first,
)
from groundtune.interchange.images import row_images
from groundtune.interchange.layout import Content, Layout, LayoutError, Role
from groundtune.store.rows import Fields

_ROLES: dict[str, Role] = {"human": "user", "gpt": "assistant"}
_NAMES: dict[Role, str] = {role: name for name, role in _ROLES.items()}


def _parse(row: Fields) -> Content:
    preference = row.get("preference")
    if isinstance(preference, bool) or preference not in (1, 2):
        raise LayoutError("The preference is neither 1 nor 2", "preference")
    images = row_images(row.get("image"), "image")
    messages = list_of(row.get("conversations"), "conversations")
    if len(messages) == 1 and not isinstance(messages[0], dict):
        messages = list_of(messages[0], "conversations")
    turns = read_turns(messages, "conversations", role="from", content="value", roles=_ROLES)
    if turns and turns[-1].role == "assistant":
        turns = turns[:-1]
    outputs = [
        text_of(object_of(row.get(name), name), "value", name) for name in ("output_1", "output_2")
    ]
    name = row.get("id")
    return Content(
        turns=with_images_first(turns, len(images)),
        images=images,
        chosen=outputs[preference - 1],
        rejected=outputs[2 - preference],
        row="" if name is None else str(name),
    )


def _render(content: Content, columns: Sequence[str]) -> dict[str, Any]:
    if len(content.images) != 1 or content.turns[0].role == "system":
        raise LayoutError(
            "The LLaVA-RLHF layout holds one image per dialogue and no system message"
        )
    check_turns_alternate(content.turns, "LLaVA-RLHF")
    turns = [
        {"from": _NAMES[turn.role], "value": join_pieces(turn.pieces)} for turn in content.turns
    ]
    return {
        "id": content.row,
        "image": content.images[0].path,
        "conversations": [*turns, _answer(content.chosen)],
        "output_1": _answer(content.chosen),
        "output_2": _answer(content.rejected),
        "preference": 1,
    }


def _answer(text: str) -> dict[str, str]:
    return {"from": "gpt", "value": text}


LAYOUT = Layout(
    name="llava-rlhf",
    title="LLaVA-RLHF",
    endings=(".json",),
    parse=_parse,
    render=_render,
    dataset="zhiqings/LLaVA-Human-Preference-10K",
    licence="apache-2.0",
)
