"""The sums of agreement of one answer or comparison that several people judged.

| name | figure |
|---|---|
| `wrong` | alpha of the verdict: wrong, nothing wrong, or can't tell |
| `sentences` | alpha of whether a sentence has anything wrong |
| `places` | unitising alpha of what is marked, whatever its kind |
| `marks` | unitising alpha of what is marked, and as which kind |
| `kinds` | alpha of the kinds of spans that overlap |
| `better`, `more` | alpha of the choices in comparisons |
| `thumb` | alpha of thumbs |

Next to them are numerators and denominators of shares: `f1` (mean over pairs of people, 1 where
neither marks anything), `both` and `either` (marked characters), `same text` (replacements),
`same better` and `same thumb`. Answers in which nobody marks anything are in all but `kinds` and
`same text`.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from groundtune.feedback.agreement.alpha import Sums, added, unit_sums, value_sums
from groundtune.feedback.agreement.marks import (
    characters,
    extent,
    kind_of,
    matched,
    normalised,
    rewritten,
    units_of,
)
from groundtune.feedback.divide_align import sentences_of
from groundtune.records import Side, Span, Verdict

_ANY = "marked"


class MarkedText(NamedTuple):
    """What one person says of an answer."""

    spans: tuple[Span, ...]
    """In order, not overlapping."""
    verdict: Verdict


class Preference(NamedTuple):
    """What one person says of two answers."""

    better: Side
    hallucinates_more: Side | None = None


class Overlap(NamedTuple):
    """How many characters are marked by two people, by either, and by each."""

    both: int
    first: int
    second: int

    @property
    def f1(self) -> float:
        """Of the characters; 1 where neither marks anything."""
        total = self.first + self.second
        return 2 * self.both / total if total else 1.0

    @property
    def precision(self) -> float:
        """Share of the first one's characters that the second one marks; 1 if there are none."""
        return self.both / self.first if self.first else 1.0

    @property
    def recall(self) -> float:
        """Share of the second one's characters that the first one marks; 1 if there are none."""
        return self.both / self.second if self.second else 1.0


def overlap(length: int, first: Sequence[Span], second: Sequence[Span]) -> Overlap:
    """Return the marked characters of two people in a text of `length` characters."""
    ours, theirs = characters(length, first), characters(length, second)
    return Overlap((ours & theirs).bit_count(), ours.bit_count(), theirs.bit_count())


def say_the_same(first: str, second: str) -> bool:
    """Whether two texts differ in case, blanks and punctuation around them at most."""
    return normalised(first) == normalised(second)


def text_sums(text: str, people: Sequence[MarkedText]) -> Sums:
    """Return the sums of an answer; those who can't tell count for the verdict only."""
    marked_spans = [each.spans for each in people if each.verdict != "unsure"]
    length = len(text)
    places = [units_of(length, spans, _ANY) for spans in marked_spans]
    kinds = [units_of(length, spans) for spans in marked_spans]
    pairs = [_pair_sums(text, *pair) for pair in combinations(marked_spans, 2)]
    return added(
        [
            value_sums("wrong", [each.verdict for each in people]),
            *_sentence_sums(text, marked_spans),
            unit_sums("places", length, places),
            unit_sums("marks", length, kinds),
            *pairs,
        ]
    )


def choice_sums(people: Sequence[Preference]) -> Sums:
    """Return the sums of a comparison."""
    better = [each.better for each in people]
    more = [each.hallucinates_more for each in people if each.hallucinates_more is not None]
    pairs = list(combinations(better, 2))
    equal = sum(first == second for first, second in pairs)
    shares = {"same better": float(equal), "of better": float(len(pairs))} if pairs else {}
    return added([value_sums("better", better), value_sums("more", more), shares])


def thumb_sums(good: Sequence[bool]) -> Sums:
    """Return the sums of an answer that several people found good or bad."""
    pairs = list(combinations(good, 2))
    equal = sum(first == second for first, second in pairs)
    shares = {"same thumb": float(equal), "of thumb": float(len(pairs))} if pairs else {}
    return added([value_sums("thumb", ["good" if each else "bad" for each in good]), shares])


def _sentence_sums(text: str, people: Sequence[Sequence[Span]]) -> list[Sums]:
    extents_by_person = [[extent(len(text), span) for span in spans] for spans in people]
    sums: list[Sums] = []
    for start, end in sentences_of(text):
        wrong = [any(s < end and start < e for s, e in extents) for extents in extents_by_person]
        sums.append(value_sums("sentences", ["wrong" if each else "right" for each in wrong]))
    return sums


def _pair_sums(text: str, first: Sequence[Span], second: Sequence[Span]) -> Sums:
    common = overlap(len(text), first, second)
    sums: Sums = {"f1": common.f1, "of f1": 1.0}
    sums |= {"both": 2.0 * common.both, "either": float(common.first + common.second)}
    rows = [sums]
    for pair in matched(len(text), first, second):
        rows.append(value_sums("kinds", [kind_of(span) for span in pair]))
        texts = rewritten(text, pair, first, second)
        if texts is not None:
            rows.append({"same text": float(say_the_same(*texts)), "of text": 1.0})
    return added(rows)
