"""Replay of a person's events on an item, and the records that follow from it.

The state is a pure function of the events in their order. Undo makes the replay skip one event; the
event itself stays stored. The corrected text always follows from the spans.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from groundtune.feedback import thumbs
from groundtune.feedback.corrections import correction_key
from groundtune.feedback.spans import apply
from groundtune.records import (
    Comparison,
    Correction,
    Missing,
    Producer,
    Record,
    Side,
    Span,
    Thumb,
    Verdict,
    check_apart,
)
from groundtune.store.annotations.records import (
    AnnotationItem,
    Choose,
    Decide,
    DropMissing,
    DropSpan,
    Edit,
    Event,
    PutMissing,
    PutSpan,
    Redo,
    SetNote,
    SetThumb,
    SetVerdict,
    Skip,
    Submit,
    Undo,
)
from groundtune.store.keys import key_of

Progress = Literal["open", "done", "skipped"]


class NamedMissing(Record):
    """A note on what is missing, with the id by which events change it."""

    id: str
    missing: Missing


class AnnotationState(Record):
    """One person's current annotation of one item."""

    spans: tuple[PutSpan, ...] = ()
    """By answer, then by position."""
    missing: tuple[NamedMissing, ...] = ()
    verdict: Verdict | None = None
    note: str = ""
    hallucinates_more: Side | None = None
    better: Side | None = None
    good: bool | None = None
    decided: tuple[tuple[int, bool], ...] = ()
    """Indices of suggestions, and whether each was accepted."""
    progress: Progress = "open"
    seconds: float = 0.0
    """Active seconds."""


class RefusedEvent(ValueError):
    """An event that doesn't fit its item or the earlier events; the message says why."""


def replay(events: Iterable[Event]) -> AnnotationState:
    """Return the state after a person's events on one item, in their order."""
    events = list(events)
    off = undone(events)
    state = AnnotationState()
    for event in events:
        if event.id in off:
            continue
        state = _after(state, event)
    return state.model_copy(update={"seconds": round(sum(e.active_s for e in events), 3)})


def undone(events: Iterable[Event]) -> set[str]:
    """Return the ids of the events that were undone and not redone."""
    off: set[str] = set()
    for event in events:
        if isinstance(event.body, Undo):
            off.add(event.body.event)
        elif isinstance(event.body, Redo):
            off.discard(event.body.event)
    return off


def check_event(item: AnnotationItem, before: Sequence[Event], event: Event) -> None:
    """Raise RefusedEvent unless the event fits the item and the events before it."""
    body = event.body
    if isinstance(body, PutSpan):
        _check_span(item, body)
    elif isinstance(body, Undo | Redo):
        _check_undo(before, body)
    elif isinstance(body, Decide) and body.place >= len(item.suggestions):
        raise RefusedEvent(f"The item has no suggestion {body.place + 1}.")
    elif isinstance(body, PutMissing) and any(
        not 0 <= place < len(item.prompt.facts) for place in body.missing.facts
    ):
        raise RefusedEvent("The note refers to a fact that the prompt doesn't have.")
    elif isinstance(body, Choose) and len(item.answers) != 2:
        raise RefusedEvent("The item doesn't have two answers to choose from.")
    _check_state(item, replay([*before, event]))


def correction_of(item: AnnotationItem, state: AnnotationState, by: Producer) -> Correction | None:
    """Return the correction of the item's answer; None if the annotation isn't finished.

    A span without a replacement is a mark: it leaves the text unchanged.
    """
    if state.progress != "done" or len(item.answers) != 1 or item.task == "thumb":
        return None
    (answer,) = item.answers
    spans = spans_of(state, 0, by.name)
    edits = tuple(span for span in spans if span.replacement is not None)
    marks = spans if len(edits) < len(spans) else ()
    missing = tuple(note.missing for note in state.missing)
    verdict = state.verdict or ("wrong" if spans else "nothing_wrong")
    return Correction(
        key=correction_key(answer.key, by),
        prompt=item.prompt.key,
        answer=answer.key,
        text=answer.text,
        spans=edits,
        corrected=apply(answer.text, edits),
        by=by,
        seconds=state.seconds,
        marks=tuple(span.model_copy(update={"replacement": None}) for span in marks),
        missing=missing,
        verdict=verdict,
        note=state.note,
    )


def comparison_of(item: AnnotationItem, state: AnnotationState, by: Producer) -> Comparison | None:
    """Return the comparison of the item's two answers; None if it isn't finished."""
    if state.progress != "done" or len(item.answers) != 2 or state.better is None:
        return None
    first, second = item.answers
    return Comparison(
        key=key_of("comparison", first.key, second.key, by),
        prompt=item.prompt.key,
        first=first.key,
        second=second.key,
        better=state.better,
        hallucinates_more=state.hallucinates_more,
        by=by,
        seconds=state.seconds,
        first_spans=spans_of(state, 0, by.name),
        second_spans=spans_of(state, 1, by.name),
        note=state.note,
    )


def thumb_of(item: AnnotationItem, state: AnnotationState, by: Producer) -> Thumb | None:
    """Return the thumb about the item's answer; None if it isn't finished."""
    if state.progress != "done" or item.task != "thumb" or state.good is None:
        return None
    return thumbs.thumb_of(item.answers[0], good=state.good, by=by, note=state.note)


def spans_of(state: AnnotationState, answer: int, by: str) -> tuple[Span, ...]:
    """Return the spans of one of the item's answers, in order."""
    fields = set(Span.model_fields) - {"by"}
    return tuple(
        Span.model_validate({**span.model_dump(include=fields), "by": by})
        for span in state.spans
        if span.answer == answer
    )


def _after(state: AnnotationState, event: Event) -> AnnotationState:
    body = event.body
    if isinstance(body, Submit):
        return state.model_copy(update={"progress": "done"})
    if isinstance(body, Skip):
        return state.model_copy(update={"progress": "skipped"})
    if isinstance(body, Undo | Redo):
        return state.model_copy(update={"progress": "open"})
    return state.model_copy(update={**_change(state, body), "progress": "open"})


def _change(state: AnnotationState, body: Edit) -> dict[str, object]:
    """Return the fields that an edit changes."""
    match body:
        case PutSpan():
            others = [span for span in state.spans if span.id != body.id]
            order = sorted([*others, body], key=lambda span: (span.answer, span.start, span.end))
            return {"spans": tuple(order)}
        case DropSpan():
            return {"spans": tuple(span for span in state.spans if span.id != body.id)}
        case PutMissing():
            note = NamedMissing(id=body.id, missing=body.missing)
            ids = [entry.id for entry in state.missing]
            if body.id in ids:
                place = ids.index(body.id)
                return {"missing": (*state.missing[:place], note, *state.missing[place + 1 :])}
            return {"missing": (*state.missing, note)}
        case DropMissing():
            return {"missing": tuple(entry for entry in state.missing if entry.id != body.id)}
        case SetVerdict():
            return {"verdict": body.verdict}
        case SetNote():
            return {"note": body.note}
        case Choose():
            return {body.question: body.side}
        case SetThumb():
            return {"good": body.good}
        case Decide():
            decided = [pair for pair in state.decided if pair[0] != body.place]
            if body.accepted is not None:
                decided.append((body.place, body.accepted))
            return {"decided": tuple(decided)}


def _check_span(item: AnnotationItem, span: PutSpan) -> None:
    if span.answer >= len(item.answers):
        raise RefusedEvent(f"The item has no answer {span.answer + 1}.")
    text = item.answers[span.answer].text
    if not span.start <= span.end <= len(text):
        raise RefusedEvent(
            f"The span [{span.start}, {span.end}) leaves the answer, "
            f"which has {len(text)} characters."
        )
    if text[span.start : span.end] != span.text:
        raise RefusedEvent(
            f"The answer's characters [{span.start}, {span.end}) are not the marked text. "
            "Offsets count code points."
        )
    if span.start == span.end and not span.replacement:
        raise RefusedEvent("An insertion has no text.")


def _check_undo(before: Sequence[Event], body: Undo | Redo) -> None:
    target = next((event for event in before if event.id == body.event), None)
    if target is None or not isinstance(target.body, Edit):
        raise RefusedEvent("There is no such change to undo.")
    if isinstance(body, Redo) and body.event not in undone(before):
        raise RefusedEvent("The change was not undone.")


def _check_state(item: AnnotationItem, state: AnnotationState) -> None:
    for number, answer in enumerate(item.answers):
        try:
            check_apart(answer.text, spans_of(state, number, "annotator"))
        except ValueError as error:
            raise RefusedEvent("Two spans overlap.") from error
    if state.progress == "done" and state.verdict == "nothing_wrong" and state.spans:
        raise RefusedEvent("The verdict is that nothing is wrong, but spans are marked.")
    if state.progress == "done" and len(item.answers) == 2 and state.better is None:
        raise RefusedEvent("No answer is chosen.")
    if state.progress == "done" and item.task == "thumb" and state.good is None:
        raise RefusedEvent("The answer is neither good nor bad.")
