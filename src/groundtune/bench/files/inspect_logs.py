"""Inspect's .json logs (version 2) as answers; its package isn't needed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from groundtune.bench.item import FileAnswer
from groundtune.errors import UserError

_HEAD = 4096
"""Characters in which a log names itself."""


def is_inspect_log(path: Path) -> bool:
    """Whether a file is one of Inspect's .json logs, by how it begins."""
    if path.suffix.lower() != ".json":
        return False
    try:
        with path.open(encoding="utf-8-sig") as file:
            head = file.read(_HEAD)
    except (OSError, UnicodeDecodeError):
        return False  # whoever reads it says what is wrong
    return head.lstrip().startswith("{") and '"eval"' in head and '"version"' in head


def inspect_answers(path: Path) -> Iterator[FileAnswer]:
    """The completions of an Inspect log, the first epoch's; metadata and target are `extra`.

    Raises:
        UserError: it can't be read, or a sample has no output.
    """
    try:
        log = cast("dict[str, Any]", json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"The log can't be read: {error}.", str(path), "Give a .json log of Inspect."
        ) from error
    samples = cast("list[dict[str, Any]]", log.get("samples") or [])
    for number, sample in enumerate(samples, 1):
        if sample.get("epoch", 1) != 1:
            continue
        text = _completion(cast("dict[str, Any]", sample.get("output") or {}))
        if text is None:
            raise UserError(
                "The sample has no output.", f"{path}, sample {number}", "Give a finished log."
            )
        told = cast("dict[str, object]", sample.get("metadata") or {})
        extra = {name: str(v) for name, v in told.items() if isinstance(v, str | int | float)}
        target = sample.get("target")
        extra |= {"target": target} if isinstance(target, str) else {}
        yield FileAnswer(text=text, item=str(sample.get("id", "")), row=number, extra=extra)


def _completion(output: dict[str, Any]) -> str | None:
    choices = cast("list[dict[str, Any]]", output.get("choices") or [])
    content: object = choices[0].get("message", {}).get("content") if choices else None
    if isinstance(content, list):
        parts = cast("list[dict[str, Any]]", content)
        return "".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")
    return content if isinstance(content, str) else None
