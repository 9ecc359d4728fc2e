"""Suggestions: wrong ones planted among them, and what people made of each."""

import random
import re
from collections.abc import Iterable, Sequence

from groundtune.feedback.annotating import AnnotationState
from groundtune.pipeline.annotate.settings import ProjectSettings
from groundtune.records import Answer, Record, Span
from groundtune.store.annotations.records import AnnotationItem
from groundtune.store.keys import seed_of

PLANTED = "planted"
"""Who makes a wrong suggestion (`Span.by`); never sent to the page."""
_SENTENCE = re.compile(r"\S[^.!?]*[.!?]*")


class SuggestionCounts(Record):
    """What people made of suggestions in finished items."""

    accepted: int = 0
    """Taken as they were; where only words are doubted, the person wrote what is right."""
    edited: int = 0
    """Taken with another text."""
    rejected: int = 0
    ignored: int = 0
    planted_accepted: int = 0
    """Wrong suggestions that were planted, and taken, edited or not. The counts above are without
    planted ones."""
    planted_rejected: int = 0
    planted_ignored: int = 0

    @property
    def any(self) -> bool:
        """Whether there was a suggestion at all."""
        return any(value for _, value in self)

    def __add__(self, other: "SuggestionCounts") -> "SuggestionCounts":
        """The counts of both."""
        more = dict(other)
        return SuggestionCounts(**{name: value + more[name] for name, value in self})


def with_planted(
    answer: Answer, suggestions: Sequence[Span], trusted: Sequence[Span], settings: ProjectSettings
) -> tuple[Span, ...]:
    """Return the suggestions in order, and for a share of answers one of `trusted` among them."""
    rng = random.Random(seed_of(settings.seed, PLANTED, answer.key))
    if settings.blind or rng.random() >= settings.planted:
        return tuple(suggestions)
    apart = [
        span
        for span in trusted
        if all(span.end <= other.start or other.end <= span.start for other in suggestions)
    ]
    planted = [rng.choice(apart)] if apart else []
    return tuple(sorted([*suggestions, *planted], key=lambda span: (span.start, span.end)))


def untouched(text: str, edits: Sequence[Span]) -> list[Span]:
    """The deletion of each sentence that a correction left as it is: wrong, as far as it knows."""
    deletions: list[Span] = []
    for match in _SENTENCE.finditer(text):
        start, end = match.span()
        blank = start > 0 and text[start - 1] == " "
        if all(edit.end <= start or end <= edit.start for edit in edits) and match[0] != text:
            deletions.append(Span(start=start - blank, end=end, replacement="", by=PLANTED))
    return deletions


def count_suggestions(work: Iterable[tuple[AnnotationItem, AnnotationState]]) -> SuggestionCounts:
    """Count over finished items, by person and item."""
    counts = dict.fromkeys(SuggestionCounts.model_fields, 0)
    for item, state in work:
        decided = dict(state.decided)
        for place, span in enumerate(item.suggestions):
            outcome = _outcome(span, decided.get(place), state)
            if span.by == PLANTED:
                outcome = "planted_accepted" if outcome == "edited" else f"planted_{outcome}"
            counts[outcome] += 1
    return SuggestionCounts(**counts)


def _outcome(suggestion: Span, accepted: bool | None, state: AnnotationState) -> str:
    if accepted is None:
        return "ignored"
    if not accepted:
        return "rejected"
    same = any(
        (span.start, span.end, span.replacement)
        == (suggestion.start, suggestion.end, suggestion.replacement)
        for span in state.spans
    )
    return "accepted" if same or suggestion.replacement is None else "edited"
