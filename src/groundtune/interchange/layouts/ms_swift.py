"""ms-swift's preference data with images (4.6, `dataset/preprocessor/core.py` and its docs).

    messages            [{role, content}], the last the chosen answer; `<image>` in the contents
    images              [path or {path}]
    rejected_response   a text, or a list of one assistant's message; or
    rejected_messages   the whole dialogue again, with rejected_images; or
    rejected_images     alone: the same answer, to be preferred for `images` over these

Older files have query, response, history and system instead of messages; they become messages, and
are written as such.

The last compares images rather than answers: its pair has two equal texts, and the other images
stay with the row. Relative paths start at ms-swift's ROOT_IMAGE_DIR.
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
from groundtune.interchange.layout import Content, Layout, Refused, Role, Turn
from groundtune.store.rows import Fields

_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}


_QUERIES = ("query", "prompt", "input", "instruction", "question", "problem")
_RESPONSES = ("response", "answer", "output")


def _with_messages(row: Fields) -> Fields:
    """The row with messages in place of query, response, history and system."""
    query = next((name for name in _QUERIES if name in row), "")
    response = next((name for name in _RESPONSES if name in row), "")
    if "messages" in row:
        return row
    if not query or not response:
        raise Refused("There are neither messages nor a query and a response")
    texts: list[tuple[str, object]] = []
    if row.get("system"):
        texts.append(("system", row["system"]))
    for turn in list_of(row.get("history") or [], "history"):
        asked, answered = _two(turn)
        texts += [("user", asked), ("assistant", answered)]
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
        raise Refused("A turn of the history is not two texts", "history")
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
    """The turns of a column before its last, and that one's text, which is the answer."""
    turns = read_turns(row.get(column), column, role="role", content="content", roles=_ROLES)
    if not turns or turns[-1].role != "assistant":
        raise Refused("The last message is not the assistant's", column)
    return turns[:-1], _last_text(row[column], column)


def _last_text(messages: object, column: str) -> str:
    return text_of(object_of(list_of(messages, column)[-1], column), "content", column)


def _rejected(row: Fields, turns: Sequence[Turn], chosen: str) -> str:
    given = row.get("rejected_response")
    if isinstance(given, str):
        return given
    if given is not None:
        messages = list_of(given, "rejected_response")
        if len(messages) != 1:
            raise Refused("It is not one assistant's message", "rejected_response")
        return _last_text(given, "rejected_response")
    if row.get("rejected_messages") is not None:
        others, rejected = _dialogue(row, "rejected_messages")
        if others != turns:
            raise Refused("The two dialogues differ before the answers", "rejected_messages")
        return rejected
    if row.get("rejected_images") is None:
        raise Refused("There is no rejected response, message or image", "rejected_response")
    return chosen


def _render(content: Content, columns: Sequence[str]) -> dict[str, Any]:
    prompt = [{"role": turn.role, "content": join_pieces(turn.pieces)} for turn in content.turns]
    others = [each.path for each in content.further]
    said: dict[str, Any] = {"messages": [*prompt, _answer(content.chosen)]}
    if "rejected_messages" in columns:
        said["rejected_messages"] = [*prompt, _answer(content.rejected)]
    elif "rejected_response" in columns or content.chosen != content.rejected or not others:
        said["rejected_response"] = content.rejected
    paths = [each.path for each in content.images]
    if "image" in columns and "images" not in columns and len(paths) == 1:
        said["image"] = paths[0]
    elif not columns or "images" in columns:
        said["images"] = paths
    if others:
        said["rejected_images"] = others
    return said


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
