"""Spans as edits of a text: applying, inverting, shifting and merging them.

A span is an edit when its replacement is known. Offsets are characters (code points) of the exact
text, half open, so nothing here depends on a tokenizer, and emoji, CJK and combining characters
need no care.
"""

from collections.abc import Iterable, Sequence

from groundtune.records import Span


def check(text: str, spans: Sequence[Span]) -> None:
    """Raises ValueError, naming the span, unless `apply` can carry out the edits.

    They must be in order, not overlap (touching is allowed), lie in the text, and have a
    replacement each.
    """
    position = 0
    for number, span in enumerate(spans, start=1):
        here = f"span {number} [{span.start}, {span.end})"
        if span.end > len(text):
            raise ValueError(f"{here} leaves the text, which has {len(text)} characters")
        if span.start < position:
            raise ValueError(f"{here} overlaps the one before it, or is out of order")
        if span.replacement is None:
            raise ValueError(f"{here} has no replacement")
        position = span.end


def apply(text: str, spans: Sequence[Span]) -> str:
    """The text with each span replaced. Raises ValueError for spans that `check` refuses."""
    check(text, spans)
    pieces: list[str] = []
    position = 0
    for span in spans:
        pieces += [text[position : span.start], span.replacement or ""]
        position = span.end
    return "".join([*pieces, text[position:]])


def invert(text: str, spans: Sequence[Span]) -> tuple[Span, ...]:
    """The same edits seen from the corrected text: where each replacement stands there.

    One span for each given one, in order, with its kind, severity and author, and with the
    characters that it replaced as its replacement, so that applying the result to the corrected
    text gives `text` back. An insertion gives a span that isn't empty, a deletion an empty one.
    Raises ValueError as `check` does.
    """
    check(text, spans)
    inverted: list[Span] = []
    grown = 0
    for span in spans:
        length = len(span.replacement or "")
        start = span.start + grown
        change = {
            "start": start,
            "end": start + length,
            "replacement": text[span.start : span.end],
        }
        inverted.append(span.model_copy(update=change))
        grown += length - (span.end - span.start)
    return tuple(inverted)


def shift(spans: Iterable[Span], characters: int) -> tuple[Span, ...]:
    """The spans of a text that now stands `characters` further on (negative: earlier).

    Raises ValueError where a span would start before the text does.
    """
    moved: list[Span] = []
    for span in spans:
        if span.start + characters < 0:
            raise ValueError(f"span [{span.start}, {span.end}) + {characters} leaves the text")
        change = {"start": span.start + characters, "end": span.end + characters}
        moved.append(span.model_copy(update=change))
    return tuple(moved)


def merge(text: str, spans: Iterable[Span], *, gap: int = 0) -> tuple[Span, ...]:
    """The spans in order, with those joined that overlap or stand at most `gap` characters apart.

    A joined span keeps the kind and author on which its parts agree (else "other" and both names
    with "+"), the highest severity, and, where no parts overlap and all replacements are known, a
    replacement that applies the same edits; where they contradict each other it is None. Of equal
    edits one counts. At gap 0 only touching ones join.
    """
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        if merged and span.start - merged[-1].end <= gap:
            merged[-1] = _join(text, merged[-1], span)
        else:
            merged.append(span)
    return tuple(merged)


def _join(text: str, first: Span, second: Span) -> Span:
    severities = [s for s in (first.severity, second.severity) if s is not None]
    return Span(
        start=first.start,
        end=max(first.end, second.end),
        kind=first.kind if first.kind == second.kind else "other",
        severity=max(severities, default=None),
        replacement=_joined_replacement(text, first, second),
        by=first.by if first.by == second.by else f"{first.by}+{second.by}",
    )


def _joined_replacement(text: str, first: Span, second: Span) -> str | None:
    same_place = (first.start, first.end) == (second.start, second.end)
    if same_place and first.replacement == second.replacement:
        return first.replacement
    if first.replacement is None or second.replacement is None or second.start < first.end:
        return None
    return first.replacement + text[first.end : second.start] + second.replacement
