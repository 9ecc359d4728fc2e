"""What an item's finished work adds to the figures: of all who agree or not, and of each person."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from groundtune.feedback.agreement.alpha import Sums, added
from groundtune.feedback.agreement.marks import extent, kind_of
from groundtune.feedback.agreement.results import (
    MarkedText,
    Preference,
    choice_sums,
    overlap,
    text_sums,
    thumb_sums,
)
from groundtune.feedback.agreement.same_claims import ReplacedPlace, replaced_places
from groundtune.feedback.annotating import AnnotationState, spans_of
from groundtune.feedback.spans import apply
from groundtune.pipeline.annotate.suggestions import count_suggestions
from groundtune.records import Span, Verdict
from groundtune.store.annotations.records import AnnotationItem, KnownResult

_MARKED = ("correct", "evaluate", "review")
"""Tasks whose result is what is marked."""
KIND = "kind = "
"""Begins the names of the columns that count marks of a kind."""


class ItemSums(NamedTuple):
    """An item's part in the figures."""

    agreement: Sums
    """Empty unless two people judged it, and nobody knew the result before."""
    people: Mapping[str, Sums]
    """By person."""


def item_sums(
    item: AnnotationItem,
    states: Mapping[str, AnnotationState],
    *,
    blind: bool = False,
    judged: Mapping[str, bool | None] | None = None,
) -> ItemSums:
    """Return the sums of an item's finished work; `states` are by person.

    `judged` says which different replacements claim the same, by the keys of their places: None of
    one where that can't be judged. Without it only equal texts are counted.
    """
    finished = {person: state for person, state in states.items() if state.progress == "done"}
    people: dict[str, Sums] = {}
    for person, state in finished.items():
        others = [other_state for other, other_state in finished.items() if other != person]
        people[person] = added(
            [
                {"done": 1.0, "seconds": state.seconds},
                {} if blind else _planted(item, state),
                _known(item, item.known, state) if item.known else {},
                _habits(item, state),
                _against(item, state, others) if item.task in _MARKED and not item.known else {},
            ]
        )
    agreement = {} if item.known else _agreement(item, list(finished.values()), judged)
    return ItemSums(agreement, people)


def verdict_of(state: AnnotationState) -> Verdict:
    """The verdict, which follows from the marks where none was given."""
    return state.verdict or ("wrong" if state.spans else "nothing_wrong")


def replacements(
    item: AnnotationItem, states: Sequence[AnnotationState]
) -> Iterator[ReplacedPlace | None]:
    """Yield each place that two people replaced; None where they wrote the same."""
    if item.task not in _MARKED or item.known:
        return
    sure = [state for state in states if verdict_of(state) != "unsure"]
    yield from replaced_places(item.answers[0].text, [spans_of(state, 0, "") for state in sure])


def _claims(
    item: AnnotationItem, states: Sequence[AnnotationState], judged: Mapping[str, bool | None]
) -> Sums:
    """Replacements that claim the same, of those that could be judged; and the others."""
    rows: list[Sums] = []
    for place in replacements(item, states):
        key = "" if place is None else place.key(item.prompt.key)
        if place is not None and key not in judged:
            rows.append({"unjudged claims": 1.0})
            continue
        same = True if place is None else judged[key]
        if same is None:
            rows.append({"unclear claims": 1.0})
        else:
            rows.append({"same claims": float(same), "of claims": 1.0})
    return added(rows)


def _agreement(
    item: AnnotationItem,
    states: list[AnnotationState],
    judged: Mapping[str, bool | None] | None,
) -> Sums:
    if item.task == "compare":
        return choice_sums(
            [
                Preference(state.better, state.hallucinates_more)
                for state in states
                if state.better is not None
            ]
        )
    if item.task == "thumb":
        return thumb_sums([state.good for state in states if state.good is not None])
    texts = [MarkedText(spans_of(state, 0, ""), verdict_of(state)) for state in states]
    claims = {} if judged is None else _claims(item, states, judged)
    return added([text_sums(item.answers[0].text, texts), claims])


def _against(item: AnnotationItem, state: AnnotationState, others: list[AnnotationState]) -> Sums:
    """A person's marked characters against those of each of the others."""
    if verdict_of(state) == "unsure":
        return {}
    length, marks = len(item.answers[0].text), spans_of(state, 0, "")
    rows: list[Sums] = []
    for other in others:
        if verdict_of(other) == "unsure":
            continue
        both, ours, theirs = overlap(length, marks, spans_of(other, 0, ""))
        f1 = 2 * both / (ours + theirs) if ours + theirs else 1.0
        row: Sums = {"both": both, "own": ours, "others": theirs, "f1": f1, "of f1": 1.0}
        rows.append(row)
    return added(rows)


def _planted(item: AnnotationItem, state: AnnotationState) -> Sums:
    counts = count_suggestions([(item, state)])
    accepted = counts.planted_accepted
    planted = accepted + counts.planted_rejected + counts.planted_ignored
    decided = counts.accepted + counts.edited
    suggested = decided + counts.rejected + counts.ignored
    rows: Sums = {}
    if planted:
        rows |= {"planted": float(planted), "planted accepted": float(accepted)}
    if suggested:
        rows |= {"suggested": float(suggested), "suggestions accepted": float(decided)}
    return rows


def _known(item: AnnotationItem, gold: KnownResult, state: AnnotationState) -> Sums:
    if item.task == "compare":
        right = state.better == gold.better and gold.hallucinates_more in (
            None,
            state.hallucinates_more,
        )
        return {"gold": 1.0, "gold right": float(right)}
    if item.task == "thumb":
        return {"gold": 1.0, "gold right": float(state.good == (not gold.spans))}
    length = len(item.answers[0].text)
    marks = [] if verdict_of(state) == "unsure" else list(spans_of(state, 0, ""))
    errors = list(gold.spans)
    hits_of_errors = sum(any(_meet(length, error, mark) for mark in marks) for error in errors)
    hits = sum(any(_meet(length, mark, error) for error in errors) for mark in marks)
    right = hits_of_errors == len(errors) and hits == len(marks) and verdict_of(state) != "unsure"
    both, ours, theirs = overlap(length, marks, errors)
    return {
        "gold": 1.0,
        "gold right": float(right),
        "known errors": float(len(errors)),
        "found": float(hits_of_errors),
        "gold marks": float(len(marks)),
        "gold hits": float(hits),
        "gold both": float(both),
        "gold own": float(ours),
        "gold known": float(theirs),
        "gold either": float(ours + theirs),
    }


def _meet(length: int, first: Span, second: Span) -> bool:
    start, end = extent(length, first)
    other_start, other_end = extent(length, second)
    return start < other_end and other_start < end


def _habits(item: AnnotationItem, state: AnnotationState) -> Sums:
    if item.task == "compare":
        return _choice_habits(item, state)
    if item.task == "thumb":
        return {"thumbs": 1.0, "good": float(bool(state.good))}
    return _mark_habits(item, state)


def _mark_habits(item: AnnotationItem, state: AnnotationState) -> Sums:
    verdict = verdict_of(state)
    row: Sums = {"judged": 1.0, "wrong": float(verdict == "wrong")}
    row["unsure"] = float(verdict == "unsure")
    spans = spans_of(state, 0, "")
    row["marks"] = float(len(spans))
    for span in spans:
        name = f"{KIND}{kind_of(span)}"
        row[name] = row.get(name, 0.0) + 1
    text = item.answers[0].text
    edits = [span for span in spans if span.replacement is not None]
    if edits and len(edits) == len(spans):
        row["words before"] = float(len(text.split()))
        row["words after"] = float(len(apply(text, edits).split()))
    return row


def _choice_habits(item: AnnotationItem, state: AnnotationState) -> Sums:
    row: Sums = {"judged": 1.0, "unsure": float(state.better == "unsure")}
    if state.better not in ("first", "second"):
        return {**row, "ties": float(state.better == "tie")}
    row |= {"sided": 1.0, "first": float(state.better == "first")}
    first, second = (len(answer.text.split()) for answer in item.answers)
    if first != second:
        longer = "first" if first > second else "second"
        row |= {"unequal": 1.0, "longer": float(state.better == longer)}
    return row
