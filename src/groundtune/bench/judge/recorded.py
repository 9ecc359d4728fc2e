"""Recorded replies as a judge: works offline, and the same files give the same scores.

A reply is matched to a request by the request's hash, by item id and part, or by the judged text.
Several items may share a hash or a text. Each then uses a different reply: the one with its id,
else the next one of the file. With fewer replies than items, the last items' replies are missing;
with more, the file is refused, unless all of them are equal.

A reply about another text (another hash, or another recorded answer) is not used: the reply is
missing, with that reason.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import TypeVar

from groundtune.bench.judge.archives import read_replies
from groundtune.bench.judge.judge import JudgeReply, Request
from groundtune.bench.judge.replies import RecordedReply
from groundtune.errors import UserError
from groundtune.protocols import Progress

K = TypeVar("K")
Replies = Mapping[K, Sequence[RecordedReply]]

STALE = "the recorded reply is about another answer or prompt"
ABSENT = "no reply is recorded for it"
FEWER = "fewer replies are recorded than items have this text"


class RecordedJudge:
    """Replies from files (layouts: `archives.py`).

    Raises:
        UserError: a file can't be read, or has two different replies to one request.
    """

    def __init__(self, *paths: Path) -> None:
        self.paths = paths
        self._by_hash: dict[tuple[str, int], list[RecordedReply]] = defaultdict(list)
        self._by_id: dict[tuple[str, str, int], RecordedReply] = {}
        self._by_answer: dict[tuple[str, str, int], list[RecordedReply]] = defaultdict(list)
        self._by_request: dict[tuple[str, str, str, int], RecordedReply] = {}
        self._stale: set[tuple[str, str]] = set()
        self.models: set[str] = set()
        for path in paths:
            for reply in read_replies(path):
                self._add(reply, path)

    def replies(
        self, requests: Sequence[Request], progress: Progress, *, repeat: int = 0
    ) -> list[JudgeReply]:
        """Return the recorded reply to each request, or a missing one.

        Raises:
            UserError: there are more replies to a text than items with it, and they differ.
        """
        hashes = [(request.hash, repeat) for request in requests] if self._by_hash else []
        texts = [(request.answer, request.part, repeat) for request in requests]
        assigned = self._assign(requests, dict(enumerate(hashes)), self._by_hash)
        for at, request in enumerate(requests):
            by_id = self._by_id.get((request.item, request.part, repeat))
            if at not in assigned and by_id is not None:
                assigned[at] = by_id
        rest = {at: key for at, key in enumerate(texts) if at not in assigned}
        assigned |= self._assign(requests, rest, self._by_answer)
        fewer = {at for at, key in rest.items() if at not in assigned and key in self._by_answer}
        return [
            self._reply(assigned.get(at), request, repeat, FEWER if at in fewer else ABSENT)
            for at, request in enumerate(requests)
        ]

    def describe(self) -> dict[str, str]:
        """Return the file names, and the judges named in the files."""
        return {
            "judge": "recorded replies",
            "files": ", ".join(path.name for path in self.paths),
            "models": ", ".join(sorted(self.models)) or "not recorded",
        }

    def _add(self, reply: RecordedReply, path: Path) -> None:
        if reply.model:
            self.models.add(reply.model)
        if reply.request_hash:
            self._add_by_hash(reply, path)
        elif reply.id:
            key = (reply.id, reply.part, reply.repeat)
            self._store(self._by_id, key, reply, path)
        elif reply.answer is not None:
            self._by_answer[reply.answer, reply.part, reply.repeat].append(reply)
        else:
            raise UserError(
                "A recorded reply names neither its item nor its request.",
                str(path),
                'Give each line an "id" or a "request_hash".',
            )

    def _add_by_hash(self, reply: RecordedReply, path: Path) -> None:
        self._stale.add((reply.id, reply.part))
        if reply.id:
            key = (reply.request_hash, reply.id, reply.part, reply.repeat)
            if not self._store(self._by_request, key, reply, path):
                return
        self._by_hash[reply.request_hash, reply.repeat].append(reply)

    def _store(
        self, replies: dict[K, RecordedReply], key: K, reply: RecordedReply, path: Path
    ) -> bool:
        """Store a reply; return whether it is new. An equal one may already be stored."""
        other = replies.setdefault(key, reply)
        if (other.reply, other.model) != (reply.reply, reply.model):
            raise UserError(
                "The file has two different replies to one request.",
                f"{path}, item {reply.id or reply.request_hash}",
                'Keep one of them, or number repeated samples with "repeat": 0, 1, ...',
            )
        return other is reply

    def _assign(
        self, requests: Sequence[Request], keys: Mapping[int, K], replies: Replies[K]
    ) -> dict[int, RecordedReply]:
        """Assign a different reply to each request, by the request's position.

        `keys` are the keys by position. A reply with the request's item and part is preferred.
        """
        unused = {key: list(replies[key]) for key in keys.values() if key in replies}
        assigned: dict[int, RecordedReply] = {}
        for at, key in keys.items():
            names = [(reply.id, reply.part) for reply in unused.get(key, ())]
            name = (requests[at].item, requests[at].part)
            if name in names:
                assigned[at] = unused[key].pop(names.index(name))
        replies_by_key: dict[K, list[RecordedReply]] = defaultdict(list)
        for at, key in keys.items():
            if at not in assigned and unused.get(key):
                assigned[at] = unused[key].pop(0)
                replies_by_key[key].append(assigned[at])
        for key, used_replies in replies_by_key.items():
            self._refuse_unused(used_replies, unused[key])
        return assigned

    def _refuse_unused(
        self, assigned: Sequence[RecordedReply], unused: Sequence[RecordedReply]
    ) -> None:
        """Refuse unused replies, unless they equal the used ones."""
        all_replies = [*assigned, *unused]
        if unused and len({reply.reply for reply in all_replies}) > 1:
            text = all_replies[0].answer or all_replies[0].request_hash
            raise UserError(
                f"There are {len(all_replies)} replies to {shorten(text, 60)!r}, but "
                f"{len(assigned)} of the items have this text.",
                ", ".join(map(str, self.paths)),
                "Keep one reply per item, in the order of the items.",
            )

    def _reply(
        self, reply: RecordedReply | None, request: Request, repeat: int, absent: str
    ) -> JudgeReply:
        if reply is not None and reply.answer in (None, request.answer):
            return reply.to_reply(request, repeat)
        stale = reply is not None or (request.item, request.part) in self._stale
        return JudgeReply(
            item=request.item,
            part=request.part,
            repeat=repeat,
            status="missing",
            why=STALE if stale else absent,
        )
