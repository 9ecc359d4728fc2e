"""Recorded replies as a judge: works offline, and the same files give the same scores.

A reply is matched to a request by the request's hash, by item id and part, or by the judged text.
Several items may share a hash or a text. Each then has a reply of its own: the one with its id,
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
            for recorded in read_replies(path):
                self._add(recorded, path)

    def replies(
        self, requests: Sequence[Request], progress: Progress, *, repeat: int = 0
    ) -> list[JudgeReply]:
        """Return the recorded reply to each request, or a missing one.

        Raises:
            UserError: there are more replies to a text than items with it, and they differ.
        """
        hashes = [(each.hash, repeat) for each in requests] if self._by_hash else []
        texts = [(each.answer, each.part, repeat) for each in requests]
        found = self._in_turns(requests, dict(enumerate(hashes)), self._by_hash)
        for at, each in enumerate(requests):
            known = self._by_id.get((each.item, each.part, repeat))
            if at not in found and known is not None:
                found[at] = known
        rest = {at: key for at, key in enumerate(texts) if at not in found}
        found |= self._in_turns(requests, rest, self._by_answer)
        fewer = {at for at, key in rest.items() if at not in found and key in self._by_answer}
        return [
            self._reply(found.get(at), each, repeat, FEWER if at in fewer else ABSENT)
            for at, each in enumerate(requests)
        ]

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
            self._add_by_hash(recorded, path)
        elif recorded.id:
            key = (recorded.id, recorded.part, recorded.repeat)
            self._store(self._by_id, key, recorded, path)
        elif recorded.answer is not None:
            self._by_answer[recorded.answer, recorded.part, recorded.repeat].append(recorded)
        else:
            raise UserError(
                "A recorded reply names neither its item nor its request.",
                str(path),
                'Give each line an "id" or a "request_hash".',
            )

    def _add_by_hash(self, recorded: RecordedReply, path: Path) -> None:
        self._stale.add((recorded.id, recorded.part))
        if recorded.id:
            key = (recorded.request_hash, recorded.id, recorded.part, recorded.repeat)
            if not self._store(self._by_request, key, recorded, path):
                return
        self._by_hash[recorded.request_hash, recorded.repeat].append(recorded)

    def _store(
        self, replies: dict[K, RecordedReply], key: K, recorded: RecordedReply, path: Path
    ) -> bool:
        """Store a reply; return whether it is new. An equal one may be there already."""
        other = replies.setdefault(key, recorded)
        if (other.reply, other.model) != (recorded.reply, recorded.model):
            raise UserError(
                "The file has two different replies to one request.",
                f"{path}, item {recorded.id or recorded.request_hash}",
                'Keep one of them, or number repeated samples with "repeat": 0, 1, ...',
            )
        return other is recorded

    def _in_turns(
        self, requests: Sequence[Request], keys: Mapping[int, K], replies: Replies[K]
    ) -> dict[int, RecordedReply]:
        """Return a reply of its own for each request, by the request's place.

        `keys` are the keys by place. A reply with the request's item and part goes before others.
        """
        left = {key: list(replies[key]) for key in keys.values() if key in replies}
        found: dict[int, RecordedReply] = {}
        for at, key in keys.items():
            names = [(each.id, each.part) for each in left.get(key, ())]
            name = (requests[at].item, requests[at].part)
            if name in names:
                found[at] = left[key].pop(names.index(name))
        taken: dict[K, list[RecordedReply]] = defaultdict(list)
        for at, key in keys.items():
            if at not in found and left.get(key):
                found[at] = left[key].pop(0)
                taken[key].append(found[at])
        for key, some in taken.items():
            self._refuse_choice(some, left[key])
        return found

    def _refuse_choice(self, taken: Sequence[RecordedReply], left: Sequence[RecordedReply]) -> None:
        """Refuse replies that are left over, unless they say the same as those that are used."""
        every = [*taken, *left]
        if left and len({each.reply for each in every}) > 1:
            text = every[0].answer or every[0].request_hash
            raise UserError(
                f"The replies to {shorten(text, 60)!r} are {len(every)}, and {len(taken)} of the "
                "items have this text.",
                ", ".join(map(str, self.paths)),
                "Keep one reply per item, in the order of the items.",
            )

    def _reply(
        self, recorded: RecordedReply | None, request: Request, repeat: int, absent: str
    ) -> JudgeReply:
        if recorded is not None and recorded.answer in (None, request.answer):
            return recorded.to_reply(request, repeat)
        stale = recorded is not None or (request.item, request.part) in self._stale
        return JudgeReply(
            item=request.item,
            part=request.part,
            repeat=repeat,
            status="missing",
            why=STALE if stale else absent,
        )
