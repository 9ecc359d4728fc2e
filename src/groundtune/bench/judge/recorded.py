"""RecordedReply replies as a judge: works offline, and the same files give the same scores.

A reply is matched to a request by the request's hash, or by item id and part. A reply about another
text (another hash, or another recorded answer) is not used: the reply is missing, with that reason.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from groundtune.bench.judge.archives import read_replies
from groundtune.bench.judge.judge import JudgeReply, Request
from groundtune.bench.judge.replies import RecordedReply
from groundtune.errors import UserError
from groundtune.protocols import Progress

K = TypeVar("K")

STALE = "the recorded reply is about another answer or prompt"
ABSENT = "no reply is recorded for it"


class RecordedJudge:
    """Replies from files (layouts: `archives.py`).

    Raises:
        UserError: a file can't be read, or has two different replies to one request.
    """

    def __init__(self, *paths: Path) -> None:
        self.paths = paths
        self._by_hash: dict[tuple[str, int], RecordedReply] = {}
        self._by_id: dict[tuple[str, str, int], RecordedReply] = {}
        self._by_answer: dict[tuple[str, str, int], RecordedReply] = {}
        self._stale: set[tuple[str, str]] = set()
        self.models: set[str] = set()
        for path in paths:
            for recorded in read_replies(path):
                self._add(recorded, path)

    def replies(
        self, requests: Sequence[Request], progress: Progress, *, repeat: int = 0
    ) -> list[JudgeReply]:
        """Return the recorded reply to each request, or a missing one."""
        return [self._find(request, repeat) for request in requests]

    def describe(self) -> dict[str, str]:
        """Return the file names, and the judges named in the files."""
        return {
            "judge": "recorded replies",
            "files": ", ".join(path.name for path in self.paths),
            "models": ", ".join(sorted(self.models)) or "not recorded",
        }

    def _add(self, recorded: RecordedReply, path: Path) -> None:
        if recorded.model:
            self.models.add(recorded.model)
        if recorded.request_hash:
            self._store(self._by_hash, (recorded.request_hash, recorded.repeat), recorded, path)
            self._stale.add((recorded.id, recorded.part))
        elif recorded.id:
            key = (recorded.id, recorded.part, recorded.repeat)
            self._store(self._by_id, key, recorded, path)
        elif recorded.answer is not None:
            # Equal texts may have been judged twice: the first reply is used for both.
            key = (recorded.answer, recorded.part, recorded.repeat)
            self._by_answer.setdefault(key, recorded)
        else:
            raise UserError(
                "A recorded reply names neither its item nor its request.",
                str(path),
                'Give each line an "id" or a "request_hash".',
            )

    def _store(
        self, replies: dict[K, RecordedReply], key: K, recorded: RecordedReply, path: Path
    ) -> None:
        other = replies.setdefault(key, recorded)
        if (other.reply, other.model) != (recorded.reply, recorded.model):
            raise UserError(
                "The file has two different replies to one request.",
                f"{path}, item {recorded.id or recorded.request_hash}",
                'Keep one of them, or number repeated samples with "repeat": 0, 1, ...',
            )

    def _find(self, request: Request, repeat: int) -> JudgeReply:
        recorded = self._by_hash.get((request.hash, repeat)) if self._by_hash else None
        if recorded is None:
            recorded = self._by_id.get((request.item, request.part, repeat))
        if recorded is None:
            recorded = self._by_answer.get((request.answer, request.part, repeat))
        if recorded is not None and recorded.answer in (None, request.answer):
            return recorded.to_reply(request, repeat)
        stale = recorded is not None or (request.item, request.part) in self._stale
        return JudgeReply(
            item=request.item,
            part=request.part,
            repeat=repeat,
            status="missing",
            why=STALE if stale else ABSENT,
        )
