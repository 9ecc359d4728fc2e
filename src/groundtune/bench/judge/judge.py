"""Judges: what is asked of one, what it says, and the ways to get its replies.

A benchmark makes a `Request` an item (the whole text, nothing is added later) and reads the
`Reply` itself. Who replies is a `Replies`: recorded replies (`recorded.py`), or an endpoint
(`endpoint.py`) or a model in this process (`local.py`), whose replies are kept (`kept.py`). A reply
that is missing or failed is a value, with its reason; whoever scores says what that means.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, cast

from groundtune.errors import UserError
from groundtune.protocols import Judge, Progress
from groundtune.records import Record
from groundtune.store.keys import key_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question to a judge; `item` and `part` name it within a benchmark."""

    item: str
    text: str
    system: str = ""
    part: str = ""
    """Which of several questions about the item: "" for the first, "same", "swapped", ..."""
    answer: str = ""
    """The text that is judged: a recorded reply to another text doesn't count."""

    @property
    def hash(self) -> str:
        """32 hex digits of what the judge sees; the judge's own settings are not in it."""
        return key_of("judge", self.system, self.text)


class Reply(Record):
    """What a judge said to one request."""

    item: str
    part: str = ""
    repeat: int = 0
    status: Literal["given", "missing", "failed"] = "given"
    text: str = ""
    """As it was said; empty unless `status` is "given"."""
    model: str = ""
    """The judge as the server named it."""
    finish: str = ""
    """Why it ended, as the server says: "stop", "length"."""
    why: str = ""
    """Why there is none."""
    stored: tuple[float, ...] = ()
    """Scores that an archive keeps beside the reply; people may have mended them."""


class Replies(Protocol):
    """Whoever replies to requests."""

    def replies(
        self, requests: Sequence[Request], progress: Progress, *, repeat: int = 0
    ) -> list[Reply]:
        """One reply a request, in order; `repeat` tells apart repeated samples of one judge."""
        ...

    def described(self) -> dict[str, str]:
        """The judge and its settings in plain words, for the report; no secret is in it."""
        ...


class Asked(NamedTuple):
    """What came of asking: the replies by item and part, and how many were not given."""

    by_request: dict[tuple[str, str], Reply]
    missing: int
    failed: int

    @property
    def models(self) -> tuple[str, ...]:
        """The judges' names as they were served or recorded, sorted."""
        named = {reply.model for reply in self.by_request.values() if reply.status == "given"}
        return tuple(sorted(named - {""}))

    def get(self, item: str, part: str = "") -> Reply:
        """The reply about an item."""
        return self.by_request[(item, part)]


@dataclass(slots=True)
class Ledger:
    """What was asked in a run, for the result; a request that is made again counts once."""

    status: dict[tuple[str, str, int], str] = field(default_factory=dict[tuple[str, str, int], str])
    """By item, part and repeat."""
    models: set[str] = field(default_factory=set[str])
    prompts: dict[str, str] = field(default_factory=dict[str, str])
    """What each prompt is called, and "NAME (hash)" of its file."""

    def count(self, status: str) -> str:
        """How many requests ended so."""
        return str(list(self.status.values()).count(status))


class Quiet:
    """Progress that nobody watches."""

    def start(self, task: str, total: int | None = None) -> None:
        """A new task begins."""

    def advance(self, done: int = 1, note: str = "") -> None:
        """So many more units are done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """A judge and how it is used: what a benchmark is handed."""

    by: Replies
    repeats: int = 1
    """Samples of each reply; more than one tells the judge's variance from the items'."""
    swap: bool = False
    """Pairwise benchmarks also ask with the two answers in the other order, and take the mean."""
    prompt: Path | None = None
    """Another prompt file than the project's (`prompts.py`)."""
    progress: Progress = field(default_factory=Quiet)
    ledger: Ledger = field(default_factory=Ledger)

    def provenance(self) -> dict[str, str]:
        """Who judged, how, and how often it did not: for the result; complete after scoring."""
        book = self.ledger
        return {
            **self.by.described(),
            "models": ", ".join(sorted(book.models)) or "not recorded",
            "requests": str(len(book.status)),
            "missing": book.count("missing"),
            "failed": book.count("failed"),
            "repeats": str(self.repeats),
            "orders": "both" if self.swap else "one",
            **{f"prompt {name}".strip(): each for name, each in book.prompts.items()},
        }

    def ask(self, requests: Sequence[Request], *, repeat: int = 0) -> Asked:
        """The replies to requests that differ in item or part.

        Raises:
            UserError: the endpoint can't be used, the budget is spent, or the judge changed.
            ValueError: two requests have the same item and part.
        """
        names = [(request.item, request.part) for request in requests]
        if len(set(names)) != len(names):
            raise ValueError("two requests to a judge have the same item and part")
        given = self.by.replies(requests, self.progress, repeat=repeat)
        status = [reply.status for reply in given]
        asked = Asked(
            dict(zip(names, given, strict=True)), status.count("missing"), status.count("failed")
        )
        self.ledger.status |= {(each.item, each.part, repeat): each.status for each in given}
        self.ledger.models |= set(asked.models)
        return asked


def judging_of(judge: object, benchmark: str) -> Judging:
    """Whatever was handed to a benchmark (a `Judging`, a `Replies`, a `Judge`) as a `Judging`.

    Raises:
        UserError: it is None.
    """
    if judge is None:
        raise UserError(
            "It is graded by a judge, and none is given.",
            benchmark,
            "Give recorded replies with --judge-replies FILE, or one to ask with --judge.",
        )
    if isinstance(judge, Judging):
        return judge
    if hasattr(judge, "replies"):
        return Judging(by=cast("Replies", judge))
    return Judging(by=GradeJudge(cast("Judge", judge), type(judge).__name__))


def refuse_gaps(asked: Asked, benchmark: str) -> None:
    """For official code that stops, or asks for ever, where a reply is missing.

    Raises:
        UserError: a reply was not given.
    """
    if asked.missing + asked.failed == 0:
        return
    lacking = [r for r in asked.by_request.values() if r.status != "given"]
    first = lacking[0]
    raise UserError(
        f"{len(lacking)} of {len(asked.by_request)} judge's replies are not there; the official "
        f"code of {benchmark} can't go on without them.",
        f"item {first.item}{f', {first.part}' if first.part else ''}: {first.why}",
        "Run again to ask for what is missing, complete the file, or use --mode strict.",
    )


class GradeJudge:
    """Anything with `grade(text) -> text` as a judge; a system text goes first."""

    def __init__(self, judge: Judge, name: str) -> None:
        self.judge = judge
        self.name = name

    def replies(
        self, requests: Sequence[Request], progress: Progress, *, repeat: int = 0
    ) -> list[Reply]:
        """One call a request."""
        progress.start("judge", total=len(requests))
        given: list[Reply] = []
        for request in requests:
            text = self.judge.grade(joined(request))
            given.append(_given(request, text, self.name, repeat))
            progress.advance()
        return given

    def described(self) -> dict[str, str]:
        """Its name."""
        return {"judge": self.name}


def joined(request: Request) -> str:
    """Return the system text and the request's as one, for a judge that takes one text."""
    return f"{request.system}\n\n{request.text}" if request.system else request.text


def _given(request: Request, text: str, model: str, repeat: int, finish: str = "stop") -> Reply:
    return Reply(
        item=request.item,
        part=request.part,
        repeat=repeat,
        text=text,
        model=model,
        finish=finish,
    )
