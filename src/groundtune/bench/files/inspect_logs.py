"""Reads answers from Inspect's .json logs (version 2), without its package."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from groundtune.bench.item import ItemAnswer
from groundtune.errors import UserError
from groundtune.store.rows import beginning, json_members

_HEAD = 4096
"""Bytes in which a log's format is visible."""


def is_inspect_log(path: Path) -> bool:
    """Whether a file is an Inspect .json log, by its beginning."""
    if path.suffix.lower() != ".json":
        return False
    head = beginning(path, _HEAD)
    return head.startswith("{") and '"eval"' in head and '"version"' in head


def inspect_answers(path: Path) -> Iterator[ItemAnswer]:
    """The completions of an Inspect log's first epoch; metadata and target are `extra`.

    Raises:
        UserError: it can't be read, or a sample has no output.
    """
    for _, row in json_members(path, {"samples"}, fix="Give a .json log of Inspect."):
        sample = row.fields
        if sample.get("epoch", 1) != 1:
            continue
        text = _completion(cast("dict[str, Any]", sample.get("output") or {}))
        if text is None:
            raise UserError("The sample has no output.", row.where, "Give a finished log.")
        metadata = cast("dict[str, object]", sample.get("metadata") or {})
        extra = {name: str(v) for name, v in metadata.items() if isinstance(v, str | int | float)}
        target = sample.get("target")
        extra |= {"target": target} if isinstance(target, str) else {}
        yield ItemAnswer(text=text, item=str(sample.get("id", "")), row=row.number, extra=extra)


def _completion(output: dict[str, Any]) -> str | None:
    choices = cast("list[dict[str, Any]]", output.get("choices") or [])
    content: object = choices[0].get("message", {}).get("content") if choices else None
    if isinstance(content, list):
        parts = cast("list[dict[str, Any]]", content)
        return "".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")
    return content if isinstance(content, str) else None
