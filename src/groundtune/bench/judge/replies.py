"""The file of a judge's replies: JSON lines that only ever grow, one a reply.

    {"id": "17", "part": "", "repeat": 0, "request_hash": "...", "key": "...", "reply": "...",
     "model": "as the server named it", "asked": "as it was asked for", "finish": "stop",
     "tokens_in": 812, "tokens_out": 96}

It is the cache of an endpoint and, at another time, the recorded replies that stand in for one
(`recorded.py`), where "reply" with "id" or "request_hash" is enough. Each line is on the
disk before the next request is sent for it, so a killed run loses only what was in flight; a
line that was cut in the middle is dropped.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from groundtune.bench.judge.judge import Reply, Request
from groundtune.errors import UserError
from groundtune.store.files import disk_error
from groundtune.store.rows import json_rows

GIVE = 'Write {"id": ..., "reply": ...} on each line.'


def _whole(text: str) -> str:
    """With U+FFFD for each half of a surrogate pair, which no file of replies could hold."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


class Recorded(BaseModel):
    """A line of the file; other fields are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    id: str = ""
    part: str = ""
    repeat: int = 0
    request_hash: str = ""
    key: str = ""
    """Hash of the request, the judge's name and its settings: the cache's key."""
    reply: Annotated[str, AfterValidator(_whole)]
    model: str = ""
    asked: str = ""
    finish: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    answer: str | None = None
    """The text that was judged, where it is known."""
    stored: tuple[float, ...] = ()
    """Scores kept beside the reply."""

    def to_reply(self, request: Request, repeat: int) -> Reply:
        """As the reply to a request."""
        return Reply(
            item=request.item,
            part=request.part,
            repeat=repeat,
            text=self.reply,
            model=self.model,
            finish=self.finish,
            stored=self.stored,
        )


class ReplyFile:
    """The replies kept in a file, by their key, and the appending of more. One writer at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.by_key: dict[str, Recorded] = {}
        if path.exists():
            _drop_cut_line(path)
            for recorded in _kept(path):
                if recorded.key:
                    self.by_key.setdefault(recorded.key, recorded)

    def append(self, recorded: Recorded) -> None:
        """Keeps a reply; it is on the disk when this returns.

        Raises:
            UserError: the disk is full or the file can't be written.
        """
        line = json.dumps(recorded.model_dump(exclude_defaults=True), ensure_ascii=False) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise disk_error(error, self.path) from error
        self.by_key[recorded.key] = recorded


def no_reply(error: ValidationError, where: str) -> UserError:
    """What the user is told of a row that is no reply."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    return UserError(f"The row is not a judge's reply: {field}: {first['msg']}.", where, GIVE)


def _kept(path: Path) -> Iterator[Recorded]:
    for row in json_rows(path, GIVE):
        try:
            yield Recorded.model_validate(row.fields)
        except ValidationError as error:
            raise no_reply(error, row.where) from error


def _drop_cut_line(path: Path) -> None:
    """Cuts off what a killed writer left after the last whole line."""
    try:
        with path.open("r+b") as file:
            data = file.read()
            whole = data.rfind(b"\n") + 1
            if whole < len(data):
                file.truncate(whole)
    except OSError as error:
        raise disk_error(error, path) from error
