"""Rows of ms-swift in the older style: query and response instead of messages."""

from pathlib import Path
from typing import Any

import pytest
from layout_rows import images, json_file, read_all

from groundtune.errors import UserError
from groundtune.records import Message
from groundtune.store.images import ImageStore

ROW = {
    "query": "<image>What?",
    "response": "A cup.",
    "rejected_response": "A dog.",
    "images": ["a.jpg"],
}


def texts_of(message: Message) -> str:
    return "".join(getattr(part, "text", "<image>") for part in message.content)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, [("user", "<image>What?")]),
        (
            {"system": "Be short.", "history": [["Hi", "Hello"]]},
            [
                ("system", "Be short."),
                ("user", "Hi"),
                ("assistant", "Hello"),
                ("user", "<image>What?"),
            ],
        ),
        ({"response": ["A cup.", "A mug."]}, [("user", "<image>What?")]),
    ],
)
def test_query_and_response_are_read_as_messages(
    tmp_path: Path, change: dict[str, Any], expected: list[tuple[str, str]]
):
    images(tmp_path, "a.jpg")
    path = json_file(tmp_path / "a.jsonl", [{**ROW, **change}])
    prompts, (pair,), _ = read_all("ms-swift", path, ImageStore(tmp_path / "store"))
    assert (pair.chosen, pair.rejected) == ("A cup.", "A dog.")
    messages = prompts[pair.prompt].messages
    assert [(each.role, texts_of(each)) for each in messages] == expected


@pytest.mark.parametrize(
    ("row", "what", "column"),
    [
        ({"images": ["a.jpg"]}, "neither messages nor a query and a response", ""),
        ({**ROW, "query": 3}, "'content' is missing or is not text", ", column messages"),
        ({**ROW, "history": ["Hi"]}, "not a list", ", column history"),
        ({**ROW, "history": [["Hi"]]}, "not two texts", ", column history"),
    ],
)
def test_a_row_without_messages_or_texts_is_named(
    tmp_path: Path, row: dict[str, Any], what: str, column: str
):
    images(tmp_path, "a.jpg")
    path = json_file(tmp_path / "a.jsonl", [row])
    with pytest.raises(UserError, match=what) as error:
        read_all("ms-swift", path, ImageStore(tmp_path / "store"))
    assert error.value.where == f"{path}:1{column}"
