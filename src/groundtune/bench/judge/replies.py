"""The file of judge replies: append-only JSON lines, one per reply.

    {"id": "17", "part": "", "repeat": 0, "request_hash": "...", "key": "...", "reply": "...",
     "model": "name that the server reports", "requested_model": "name in the request",
     "finish": "stop", "tokens_in": 812, "tokens_out": 96}

It is the cache of an asked judge, and later a file of recorded replies (`recorded.py`), where
"reply" with "id" or "request_hash" suffices. Each line is flushed to disk, so a killed run loses
only requests in flight; an incomplete last line is dropped.
"""

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from groundtune.bench.judge.judge import JudgeReply, Request
from groundtune.errors import UserError
from groundtune.store.checksums import DamageError
from groundtune.store.files import disk_error
from groundtune.store.json_writing import json_of
from groundtune.store.keys import key_of
from groundtune.store.rows import json_rows

log = logging.getLogger(__name__)

GIVE = 'Write {"id": ..., "reply": ...} on each line.'


def _replace_surrogates(text: str) -> str:
    """Replace lone surrogates by U+FFFD: UTF-8 can't encode them."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


class RecordedReply(BaseModel):
    """A line of the file; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    id: str = ""
    part: str = ""
    repeat: int = 0
    request_hash: str = ""
    key: str = ""
    """Cache key: hash of the request, the judge's name and its settings."""
    reply: Annotated[str, AfterValidator(_replace_surrogates)]
    model: str = ""
    requested_model: str = ""
    finish: str = ""
    thoughts: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    answer: str | None = None
    """The judged text, if known."""
    stored: tuple[float, ...] = ()
    """Scores stored with the reply."""
    check: str = ""
    """For a cached reply: the beginning of the sha256 of all other fields."""

    def to_reply(self, request: Request, repeat: int) -> JudgeReply:
        """Return this as the reply to a request."""
        return JudgeReply(
            item=request.item,
            part=request.part,
            repeat=repeat,
            text=self.reply,
            model=self.model,
            finish=self.finish,
            thoughts=self.thoughts,
            stored=self.stored,
        )


class ReplyFile:
    """Replies of a file by key; new ones are appended. One writer at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.by_key: dict[str, RecordedReply] = {}
        if path.exists():
            _drop_incomplete_line(path)
            for reply in _read_replies(path):
                if reply.key:
                    plain = reply.model_copy(update={"check": ""})
                    self.by_key.setdefault(reply.key, plain)

    def append(self, reply: RecordedReply) -> None:
        """Append a reply; it is on disk when this returns.

        Raises:
            UserError: the disk is full or the file can't be written.
        """
        with_check = reply.model_copy(update={"check": _check(reply)})
        line = json_of(with_check.model_dump(exclude_defaults=True)) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise disk_error(error, self.path) from error
        self.by_key[reply.key] = reply


def not_a_reply(error: ValidationError, where: str) -> UserError:
    """Return the error for a row that is not a judge's reply."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    return UserError(f"The row is not a judge's reply: {field}: {first['msg']}.", where, GIVE)


def _read_replies(path: Path) -> Iterator[RecordedReply]:
    for row in json_rows(path, GIVE):
        try:
            reply = RecordedReply.model_validate(row.fields)
        except ValidationError as error:
            raise not_a_reply(error, row.where) from error
        if (reply.key or reply.check) and reply.check != _check(reply):
            raise DamageError(
                "The cached reply is damaged: it doesn't match its checksum.",
                row.where,
                "Delete the line: the judge is then asked again.",
            )
        yield reply


def _check(reply: RecordedReply) -> str:
    fields = reply.model_dump(exclude_defaults=True, exclude={"check"})
    return key_of("cached reply", fields)[:16]


def _drop_incomplete_line(path: Path) -> None:
    """Remove what a killed writer left after the last complete line."""
    try:
        with path.open("r+b") as file:
            data = file.read()
            end = data.rfind(b"\n") + 1
            if end < len(data):
                log.warning("%s: the incomplete last line is dropped", path)
                file.truncate(end)
    except OSError as error:
        raise disk_error(error, path) from error
