"""Judges: requests, replies, and the sources of replies.

A benchmark builds one `Request` per item (the complete text; nothing is added later) and parses
the `JudgeReply` itself. A `ReplySource` gives the replies: recorded ones (`recorded.py`), or those
of an endpoint (`endpoint.py`) or of a local model (`local.py`), which are cached (`cached.py`). A
missing or failed reply is a value with its reason; the benchmark decides how to score it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, cast

from groundtune.errors import UserError
from groundtune.generate.thoughts import split_thoughts
from groundtune.protocols import Judge, Progress
from groundtune.records import Record
from groundtune.store.keys import key_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to a judge; `item` and `part` identify it within a benchmark."""

    item: str
    text: str
    system: str = ""
    part: str = ""
    """Which of several requests about the item: "" for the first, "same", "swapped", ..."""
    answer: str = ""
    """The judged text; a recorded reply about another text is not used."""

    @property
    def hash(self) -> str:
        """32 hex digits over what the judge sees, without the judge's settings."""
        return key_of("judge", self.system, self.text)


class JudgeReply(Record):
    """A judge's reply to one request, or why there is none."""

    item: str
    part: str = ""
    repeat: int = 0
    status: Literal["given", "missing", "failed"] = "given"
    text: str = ""
    """The reply, unchanged; empty unless `status` is "given"."""
    model: str = ""
    """The judge's name as the server reports it."""
    thoughts: str = ""
    """What the judge thought before: no part of the text."""
    finish: str = ""
    """The finish reason that the server reports: "stop", "length"."""
    why: str = ""
    """Why there is no reply."""
    stored: tuple[float, ...] = ()
    """Scores stored with the reply in an archive; people may have corrected them."""


class ReplySource(Protocol):
    """Gives replies to requests."""

    def replies(
        self, requests: Sequence[Request], progress: Progress, *, repeat: int = 0
    ) -> list[JudgeReply]:
        """Return one reply per request, in order; `repeat` numbers the samples of one judge."""
        ...

    def describe(self) -> dict[str, str]:
        """Return the judge and its settings for the report, without secrets."""
        ...


class JudgeReplies(NamedTuple):
    """Replies by item and part, with the numbers of missing and failed ones."""

    by_request: dict[tuple[str, str], JudgeReply]
    missing: int
    failed: int

    @property
    def models(self) -> tuple[str, ...]:
        """Sorted names of the judges, as the server reported them or as they were recorded."""
        names = {reply.model for reply in self.by_request.values() if reply.status == "given"}
        return tuple(sorted(names - {""}))

    def get(self, item: str, part: str = "") -> JudgeReply:
        """Return the reply about an item."""
        return self.by_request[(item, part)]


@dataclass(slots=True)
class Ledger:
    """The requests of a run, for the result; a repeated request counts once."""

    status: dict[tuple[str, str, int], str] = field(default_factory=dict[tuple[str, str, int], str])
    """Reply status by item, part and repeat."""
    thoughts: set[tuple[str, str, int]] = field(default_factory=set[tuple[str, str, int]])
    """Requests whose replies hold the judge's thoughts or came with them."""
    models: set[str] = field(default_factory=set[str])
    prompts: dict[str, str] = field(default_factory=dict[str, str])
    """"FILE (hash)" by the prompt's name."""

    def count(self, status: str) -> str:
        """Return the number of requests with this status."""
        return str(list(self.status.values()).count(status))


class Quiet:
    """Progress that shows nothing."""

    def start(self, task: str, total: int | None = None) -> None:
        """Ignore a new task."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """Ignore finished units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """A judge with the settings that a benchmark uses it with."""

    source: ReplySource
    repeats: int = 1
    """Samples per reply; with more than one, judge variance can be separated from item variance."""
    swap: bool = False
    """Whether pairwise benchmarks also ask with the answers swapped, and average both orders."""
    answers_only: bool = False
    """Whether replies are read without the thoughts that their texts begin with."""
    prompt: Path | None = None
    """Prompt file that replaces the built-in one (`prompts.py`)."""
    progress: Progress = field(default_factory=Quiet)
    ledger: Ledger = field(default_factory=Ledger)

    def provenance(self) -> dict[str, str]:
        """Return judge, settings and counts of requests for the result; complete after scoring."""
        ledger = self.ledger
        return {
            **self.source.describe(),
            "models": ", ".join(sorted(ledger.models)) or "not recorded",
            "requests": str(len(ledger.status)),
            "missing": ledger.count("missing"),
            "failed": ledger.count("failed"),
            **({"with thoughts": str(len(ledger.thoughts))} if ledger.thoughts else {}),
            "repeats": str(self.repeats),
            "orders": "both" if self.swap else "one",
            **{f"prompt {name}".strip(): file for name, file in ledger.prompts.items()},
        }

    def ask(self, requests: Sequence[Request], *, repeat: int = 0) -> JudgeReplies:
        """Return the replies to requests; each request has its own item and part.

        Raises:
            UserError: the endpoint can't be used, the budget is spent, or the judge changed.
            ValueError: two requests have the same item and part.
        """
        names = [(request.item, request.part) for request in requests]
        if len(set(names)) != len(names):
            raise ValueError("two requests to a judge have the same item and part")
        replies = self.source.replies(requests, self.progress, repeat=repeat)
        if self.answers_only:
            replies = [_without_thoughts(reply) for reply in replies]
        status = [reply.status for reply in replies]
        result = JudgeReplies(
            dict(zip(names, replies, strict=True)), status.count("missing"), status.count("failed")
        )
        self.ledger.status |= {(reply.item, reply.part, repeat): reply.status for reply in replies}
        self.ledger.thoughts |= {
            (reply.item, reply.part, repeat)
            for reply in replies
            if reply.thoughts or split_thoughts(reply.text).thoughts
        }
        self.ledger.models |= set(result.models)
        return result


def as_judging(judge: object, benchmark: str) -> Judging:
    """Return a `Judging`, a `ReplySource` or a `Judge` as a `Judging`.

    Raises:
        UserError: there is no judge.
    """
    if judge is None:
        raise UserError(
            "This benchmark needs a judge, and none was given.",
            benchmark,
            "Give recorded replies with --judge-replies FILE, or a judge with --judge.",
        )
    if isinstance(judge, Judging):
        return judge
    if hasattr(judge, "replies"):
        return Judging(source=cast("ReplySource", judge))
    return Judging(source=GradeJudge(cast("Judge", judge), type(judge).__name__))


def strictly(judge: "Judging | ReplySource | Judge | None") -> "Judging | None":
    """Return a judge whose replies are read without their thoughts."""
    return None if judge is None else replace(as_judging(judge, ""), answers_only=True)


def _without_thoughts(reply: JudgeReply) -> JudgeReply:
    parts = split_thoughts(reply.text)
    if parts.answer == reply.text:
        return reply
    return reply.model_copy(update={"text": parts.answer, "thoughts": parts.thoughts})


def require_replies(replies: JudgeReplies, benchmark: str) -> None:
    """Refuse missing replies where the official code would stop or retry forever.

    Raises:
        UserError: a reply is missing or failed.
    """
    if replies.missing + replies.failed == 0:
        return
    missing = [r for r in replies.by_request.values() if r.status != "given"]
    first = missing[0]
    raise UserError(
        f"{len(missing)} of {len(replies.by_request)} judge replies are missing; the official "
        f"code of {benchmark} needs all of them.",
        f"item {first.item}{f', {first.part}' if first.part else ''}: {first.why}",
        "Run again to request the missing replies, complete the file, or use --mode strict.",
    )


class GradeJudge:
    """Any object with `grade(text) -> text` as a judge; a system text is put first."""

    def __init__(self, judge: Judge, name: str) -> None:
        self.judge = judge
        self.name = name

    def replies(
        self, requests: Sequence[Request], progress: Progress, *, repeat: int = 0
    ) -> list[JudgeReply]:
        """Return the replies, with one call of `grade` per request."""
        progress.start("judge", total=len(requests))
        replies: list[JudgeReply] = []
        for request in requests:
            text = self.judge.grade(join_texts(request))
            replies.append(_reply_of(request, text, self.name, repeat))
            progress.advance()
        return replies

    def describe(self) -> dict[str, str]:
        """Return the judge's name."""
        return {"judge": self.name}


def join_texts(request: Request) -> str:
    """Return system text and request as one text, for a judge that takes a single text."""
    return f"{request.system}\n\n{request.text}" if request.system else request.text


def _reply_of(
    request: Request, text: str, model: str, repeat: int, finish: str = "stop"
) -> JudgeReply:
    return JudgeReply(
        item=request.item,
        part=request.part,
        repeat=repeat,
        text=text,
        model=model,
        finish=finish,
    )
