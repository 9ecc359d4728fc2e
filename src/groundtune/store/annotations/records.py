"""What the annotation database holds: items, and events with their bodies.

An event is what one person did to one item, with an id that the client made, so that a client may
send it again without harm. Offsets are code points of the answer's exact text, and the marked text
travels with them: an offset in other units can't pass unnoticed.
"""

from typing import Annotated, Literal

from pydantic import Field

from groundtune.records import (
    Answer,
    Key,
    Missing,
    Offset,
    Prompt,
    Record,
    Side,
    Span,
    SpanKind,
    Verdict,
)

Task = Literal["correct", "compare", "evaluate", "review", "thumb"]
"""What is asked of an annotator: correct an answer, choose between two, mark what is wrong in one
without knowing whose it is, check a machine's correction, or say whether an answer is good."""

Id = Annotated[str, Field(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
"""An id that a client made."""

LONGEST_TEXT = 20_000
"""Characters of a replacement, note or comment."""
Text = Annotated[str, Field(max_length=LONGEST_TEXT)]


class KnownResult(Record):
    """The right result of an item, to measure annotators by."""

    spans: tuple[Span, ...] = ()
    """What is wrong in the first answer, with or without replacements."""
    better: Side | None = None
    """Which of two answers is better."""
    hallucinates_more: Side | None = None


class AnnotationItem(Record):
    """One unit of work: a prompt and the answers to judge."""

    key: Key
    task: Task = "correct"
    prompt: Prompt
    answers: tuple[Answer, ...] = Field(min_length=1)
    """One; two to compare."""
    suggestions: tuple[Span, ...] = ()
    """What a machine doubts in the first answer, or its correction of it, to accept or reject."""
    missing: tuple[Missing, ...] = ()
    """What the first answer is said to omit, to take over or not."""
    known: KnownResult | None = None
    """The right result, never sent to the page; None where people are asked for it."""


class PutSpan(Record):
    """Mark a span, or change the one with this id: what is wrong, and what replaces it."""

    type: Literal["span"] = "span"
    id: Id
    answer: int = Field(default=0, ge=0)
    """Which of the item's answers."""
    start: Offset
    end: Offset
    text: Text
    """The answer's characters [start, end)."""
    kind: SpanKind = "other"
    label: str = Field(default="", max_length=100)
    """The kind's name in the project."""
    severity: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    replacement: Text | None = None
    """None where only the mark is known, "" for a deletion."""
    note: Text = ""


class DropSpan(Record):
    """Remove a span."""

    type: Literal["unspan"] = "unspan"
    id: Id


class PutMissing(Record):
    """Note what the answer should say and doesn't, or change that note."""

    type: Literal["missing"] = "missing"
    id: Id
    missing: Missing


class DropMissing(Record):
    """Remove a note on what is missing."""

    type: Literal["unmissing"] = "unmissing"
    id: Id


class SetVerdict(Record):
    """Say what the whole answer is; None takes it back."""

    type: Literal["verdict"] = "verdict"
    verdict: Verdict | None


class SetNote(Record):
    """Comment on the item."""

    type: Literal["note"] = "note"
    note: Text


class Choose(Record):
    """Choose between two answers; the order of the question is the order in which it is asked."""

    type: Literal["choice"] = "choice"
    question: Literal["hallucinates_more", "better"]
    side: Side | None


class SetThumb(Record):
    """Say whether the answer is good; None takes it back."""

    type: Literal["thumb"] = "thumb"
    good: bool | None


class Decide(Record):
    """Accept or reject a suggestion, by its place in the item's suggestions."""

    type: Literal["suggestion"] = "suggestion"
    place: int = Field(ge=0)
    accepted: bool | None
    span: Id | None = None
    """The span that came of it."""


class Submit(Record):
    """Finish the item; further events reopen it."""

    type: Literal["submit"] = "submit"


class Skip(Record):
    """Leave the item to others."""

    type: Literal["skip"] = "skip"
    reason: Text = ""


class Undo(Record):
    """Take an earlier event back."""

    type: Literal["undo"] = "undo"
    event: Id


class Redo(Record):
    """Let an event that was undone count again."""

    type: Literal["redo"] = "redo"
    event: Id


Edit = (
    PutSpan
    | DropSpan
    | PutMissing
    | DropMissing
    | SetVerdict
    | SetNote
    | Choose
    | SetThumb
    | Decide
)
"""Bodies that `Undo` can take back."""
Body = Annotated[Edit | Submit | Skip | Undo | Redo, Field(discriminator="type")]


class Event(Record):
    """What one person did to one item, once."""

    id: Id
    item: Key
    body: Body
    at: float
    """Seconds since 1970 by the client's clock. Order is the order of arrival."""
    active_s: float = Field(default=0, ge=0, le=86_400)
    """Seconds that the person was active since their last event."""
