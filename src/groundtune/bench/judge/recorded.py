"""Recorded replies as a judge: no service is asked, and the same file gives the same scores.

A reply belongs to a request by the request's hash, or by the item's id (and part). A reply that
was given to another text (another hash, or another answer beside it) doesn't count: the reply is
missing, with that reason.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from groundtune.bench.judge.archives import read_replies
from groundtune.bench.judge.judge import Reply, Request
from groundtune.bench.judge.replies import Recorded
from groundtune.errors import UserError
from groundtune.protocols import Progress

K = TypeVar("K")

STALE = "the recorded reply is about another answer or prompt"
ABSENT = "no reply is recorded for it"


class RecordedJudge:
    """Replies from files (`archives.py` has the layouts).

    Raises:
        UserError: a file can't be read, or holds two different replies to one request.
    """

    def __init__(self, *paths: Path) -> None:
        self.paths = paths
        self._by_hash: dict[tuple[str, int], Recorded] = {}
        self._by_id: dict[tuple[str, str, int], Recorded] = {}
        self._by_answer: dict[tuple[str, str, int], Recorded] = {}
        self._stale: set[tuple[str, str]] = set()
        self.models: set[str] = set()
        for path in paths:
            for recorded in read_replies(path):
                self._add(recorded, path)

    def replies(
        self, requests: Sequence[Request], progress: Progress, *, repeat: int = 0
    ) -> list[Reply]:
        """The recorded reply to each request, or that it is missing."""
        return [self._find(request, repeat) for request in requests]

    def described(self) -> dict[str, str]:
        """The files, and the judges that they name."""
        return {
            "judge": "recorded replies",
            "files": ", ".join(path.name for path in self.paths),
            "models": ", ".join(sorted(self.models)) or "not recorded",
        }

    def _add(self, recorded: Recorded, path: Path) -> None:
        if recorded.model:
            self.models.add(recorded.model)
        if recorded.request_hash:
            self._keep(self._by_hash, (recorded.request_hash, recorded.repeat), recorded, path)
            self._stale.add((recorded.id, recorded.part))
        elif recorded.id:
            key = (recorded.id, recorded.part, recorded.repeat)
            self._keep(self._by_id, key, recorded, path)
        elif recorded.answer is not None:
            # Two equal texts may have been judged twice: the first reply serves both.
            key = (recorded.answer, recorded.part, recorded.repeat)
            self._by_answer.setdefault(key, recorded)
        else:
            raise UserError(
                "A recorded reply names neither its item nor its request.",
                str(path),
                'Give each line an "id" or a "request_hash".',
            )

    def _keep(self, kept: dict[K, Recorded], key: K, recorded: Recorded, path: Path) -> None:
        other = kept.setdefault(key, recorded)
        if (other.reply, other.model) != (recorded.reply, recorded.model):
            raise UserError(
                "The file holds two different replies to one request.",
                f"{path}, item {recorded.id or recorded.request_hash}",
                'Keep one of them, or number repeated samples with "repeat": 0, 1, ...',
            )

    def _find(self, request: Request, repeat: int) -> Reply:
        found = self._by_hash.get((request.hash, repeat)) if self._by_hash else None
        if found is None:
            found = self._by_id.get((request.item, request.part, repeat))
        if found is None:
            found = self._by_answer.get((request.answer, request.part, repeat))
        if found is not None and found.answer in (None, request.answer):
            return found.to_reply(request, repeat)
        stale = found is not None or (request.item, request.part) in self._stale
        return Reply(
            item=request.item,
            part=request.part,
            repeat=repeat,
            status="missing",
            why=STALE if stale else ABSENT,
        )
