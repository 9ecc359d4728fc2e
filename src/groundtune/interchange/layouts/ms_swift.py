"""ms-swift's preference data with images (4.6, `dataset/preprocessor/core.py` and its docs).

    messages            [{role, content}], the last the chosen answer; `<image>` in the contents
    images              [path or {path}]
    rejected_response   a text, or a list of one assistant's message; or
    rejected_messages   the whole dialogue again, with rejected_images; or
    rejected_images     alone: the same answer, to be preferred for `images` over these

Older files have query, response, history and system instead of messages; they are read and written
as messages.

The last form compares images, not answers: its pair has two equal texts, and the other images are
stored with the row. Relative paths start at ms-swift's ROOT_IMAGE_DIR.
"""

from collections.abc import Sequence
from typing import Any, cast

from groundtune.interchange.dialogue import (
    join_pieces,
    list_of,
    object_of,
    read_turns,
    text_of,
    with_images_first,
)
from groundtune.interchange.images import row_images
from groundtune.interchange.layout import Content, Layout, LayoutError, Role, Turn
from groundtune.store.rows import Fields

_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}


_QUERIES = ("query", "prompt", "input", "instruction", "question", "problem")
_RESPONSES = ("response", "answer", "output")


def _with_messages(row: Fields) -> Fields:
    """The row with messages instead of query, response, history and system."""
    query = next((name for name in _QUERIES if name in row), "")
    response = next((name for name in _RESPONSES if name in row), "")
    if "messages" in row:
        return row
    if not query or not response:
        raise LayoutError("There are neither messages nor a query and a response")
    texts: list[tuple[str, object]] = []
    if row.get("system"):
        texts.append(("system", row["system"]))
    for turn in list_of(row.get("history") or [], "history"):
        user_text, assistant_text = _two(turn)
        texts += [("user", user_text), ("assistant", assistant_text)]
    answer: object = row[response]
    if isinstance(answer, list) and answer:  # ms-swift takes the first
        answer = cast("list[object]", answer)[0]
    texts += [("user", row[query]), ("assistant", answer)]
    messages = [{"role": role, "content": text} for role, text in texts]
    former = {query, response, "history", "system"}
    return {"messages": messages, **{k: v for k, v in row.items() if k not in former}}


def _two(turn: object) -> list[object]:
    texts = list_of(turn, "history")
    if len(texts) != 2:
        raise LayoutError("A turn of the history is not two texts", "history")
    return texts


def _parse(row: Fields) -> Content:
    column = "images" if row.get("images") is not None else "image"
    images = row_images(row.get(column), column)
    others = row_images(row.get("rejected_images"), "rejected_images")
    turns, chosen = _dialogue(row, "messages")
    return Content(
        turns=with_images_first(turns, len(images)),
        images=images,
        chosen=chosen,
        rejected=_rejected(row, turns, chosen),
        further=others,
    )


def _dialogue(row: Fields, column: str) -> tuple[list[Turn], str]:
    """A column's turns before the last, and the last one's text, which is the answer."""
    turns = read_turns(row.get(column), column, role="role", content="content", roles=_ROLES)
    if not turns or turns[-1].role != "assistant":
        raise LayoutError("The last message is not the assistant's", column)
    return turns[:-1], _last_text(row[column], column)


def _last_text(messages: object, column: str) -> str:
    return text_of(object_of(list_of(messages, column)[-1], column), "content", column)


def _rejected(row: Fields, turns: Sequence[Turn], chosen: str) -> str:
    response = row.get("rejected_response")
    if isinstance(response, str):
        return response
    if response is not None:
        messages = list_of(response, "rejected_response")
        if len(messages) != 1:
            raise LayoutError("It is not one assistant's message", "rejected_response")
        return _last_text(response, "rejected_response")
    if row.get("rejected_messages") is not None:
        others, rejected = _dialogue(row, "rejected_messages")
        if others != turns:
            raise LayoutError("The two dialogues differ before the answers", "rejected_messages")
        return rejected
    if row.get("rejected_images") is None:
        raise LayoutError("There is no rejected response, message or image", "rejected_response")
    return chosen


def _render(content: Content, columns: Sequence[str]) -> dict[str, Any]:
    prompt = [{"role": turn.role, "content": join_pieces(turn.pieces)} for turn in content.turns]
    others = [image.path for image in content.further]
    fields: dict[str, Any] = {"messages": [*prompt, _answer(content.chosen)]}
    if "rejected_messages" in columns:
        fields["rejected_messages"] = [*prompt, _answer(content.rejected)]
    elif "rejected_response" in columns or content.chosen != content.rejected or not others:
        fields["rejected_response"] = content.rejected
    paths = [image.path for image in content.images]
    if "image" in columns and "images" not in columns and len(paths) == 1:
        fields["image"] = paths[0]
    elif not columns or "images" in columns:
        fields["images"] = paths
    if others:
        fields["rejected_images"] = others
    return fields


def _answer(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


LAYOUT = Layout(
    name="ms-swift",
    title="ms-swift",
    endings=(".jsonl", ".json"),
    parse=_parse,
    render=_render,
    translate=lambda path: _with_messages,
)
