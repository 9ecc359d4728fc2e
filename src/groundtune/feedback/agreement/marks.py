"""Spans of two people in one text: the characters of both, which belong together, what they write.

An insertion has no characters; it counts as the character that follows it, or the text's
last one, so that it is neither lost nor more than that.
"""

import re
import unicodedata
from collections.abc import Sequence

from groundtune.feedback.agreement.alpha import Unit
from groundtune.records import Span

_BLANKS = re.compile(r"\s+")
_PUNCTUATION = " .,;:!?\"'"


def kind_of(span: Span) -> str:
    """The kind's name: the project's own where it has one."""
    return span.label or span.kind


def units_of(length: int, spans: Sequence[Span], value: str = "") -> list[Unit]:
    """Return spans of a text as units, which are never empty; their value is the span's kind.

    `value` is given to all of them instead. Characters of an earlier span stay with it.
    """
    units: list[Unit] = []
    position = 0
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        start, end = extent(length, span)
        start = max(start, position)
        if start < end:
            units.append(Unit(start, end, value or kind_of(span)))
            position = end
    return units


def extent(length: int, span: Span) -> tuple[int, int]:
    """The characters of a span; of an insertion the one next to it."""
    if span.start < span.end:
        return span.start, span.end
    start = min(span.start, max(0, length - 1))
    return start, min(start + 1, length)


def characters(length: int, spans: Sequence[Span]) -> int:
    """The marked characters as bits."""
    bits = 0
    for span in spans:
        start, end = extent(length, span)
        bits |= (1 << end) - (1 << start)
    return bits


def matched(length: int, first: Sequence[Span], second: Sequence[Span]) -> list[tuple[Span, Span]]:
    """Return the spans of two people that overlap, each in one pair at most.

    Of all ways to pair them it is one with the most characters in common. Both are in order and
    don't overlap among themselves, so that pairs never cross.
    """
    best = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i in reversed(range(len(first))):
        for j in reversed(range(len(second))):
            together = _common(length, first[i], second[j])
            here = together + best[i + 1][j + 1] if together else 0
            best[i][j] = max(here, best[i + 1][j], best[i][j + 1])
    pairs: list[tuple[Span, Span]] = []
    i = j = 0
    while i < len(first) and j < len(second) and best[i][j]:
        together = _common(length, first[i], second[j])
        if together and best[i][j] == together + best[i + 1][j + 1]:
            pairs.append((first[i], second[j]))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def rewritten(
    text: str, pair: tuple[Span, Span], first: Sequence[Span], second: Sequence[Span]
) -> tuple[str, str] | None:
    """Return what two people make of the place of a matched pair: "a cat" and "cat" of "a dog".

    None if one of them only marked it.
    """
    place = place_of(pair, first, second)
    if place is None:
        return None
    return edited(text, *place, first), edited(text, *place, second)


def place_of(
    pair: tuple[Span, Span], first: Sequence[Span], second: Sequence[Span]
) -> tuple[int, int] | None:
    """Return the characters [start, end) that a matched pair replaces; None if one only marks.

    The place is wide enough for both, and for what else either changed there.
    """
    if any(span.replacement is None for span in pair):
        return None
    start, end = min(span.start for span in pair), max(span.end for span in pair)
    while True:
        touching = [span for span in (*first, *second) if span.start < end and start < span.end]
        wider = min([start, *(s.start for s in touching)]), max([end, *(s.end for s in touching)])
        if wider == (start, end):
            return start, end
        start, end = wider


def edited(text: str, start: int, end: int, spans: Sequence[Span]) -> str:
    """Return characters [start, end) of a text as a person's spans change them."""
    pieces: list[str] = []
    position = start
    for span in spans:
        if span.start < start or span.end > end or span.replacement is None:
            continue
        pieces += [text[position : span.start], span.replacement]
        position = span.end
    return "".join([*pieces, text[position:end]])


def normalised(text: str) -> str:
    """Text without what makes no difference: case, blanks, marks around it, Unicode's forms."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _BLANKS.sub(" ", folded).strip(_PUNCTUATION)


def _common(length: int, first: Span, second: Span) -> int:
    start, end = extent(length, first)
    other_start, other_end = extent(length, second)
    return max(0, min(end, other_end) - max(start, other_start))
