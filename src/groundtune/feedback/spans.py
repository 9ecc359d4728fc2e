"""Spans as edits of a text: applying, inverting, shifting and merging them.

A span is an edit when its replacement is known. Offsets are characters (code points) of the exact
text, half open, so nothing here depends on a tokenizer, and emoji, CJK and combining characters
need no care.
"""

from collections.abc import Iterable, Sequence

from groundtune.records import Span


def check(text: str, spans: Sequence[Span]) -> None:
    """Raise ValueError, naming the span, unless `apply` can carry out the edits.

    They must be in order, not overlap (touching is allowed), be within the text, and each have a
    replacement.
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
    """Return the text with each span replaced. Raises ValueError for spans that `check` refuses."""
    check(text, spans)
    pieces: list[str] = []
    position = 0
    for span in spans:
        pieces += [text[position : span.start], span.replacement or ""]
        position = span.end
    return "".join([*pieces, text[position:]])


def invert(text: str, spans: Sequence[Span]) -> tuple[Span, ...]:
    """Return the same edits from the corrected text's side: the position of each replacement.

    One span per edit, in order, with its kind, severity and author. Its replacement is the
    characters that the edit replaced, so that applying the result to the corrected text gives
    `text`. An insertion gives a span that isn't empty, a deletion an empty one. Raises ValueError
    as `check` does.
    """
    check(text, spans)
    inverted: list[Span] = []
    offset = 0
    for span in spans:
        length = len(span.replacement or "")
        start = span.start + offset
        change = {
            "start": start,
            "end": start + length,
            "replacement": text[span.start : span.end],
        }
        inverted.append(span.model_copy(update=change))
        offset += length - (span.end - span.start)
    return tuple(inverted)


def shift(spans: Iterable[Span], characters: int) -> tuple[Span, ...]:
    """Return the spans of a text that moved `characters` further (negative: earlier).

    Raises ValueError if a span would start before the text.
    """
    result: list[Span] = []
    for span in spans:
        if span.start + characters < 0:
            raise ValueError(f"span [{span.start}, {span.end}) + {characters} leaves the text")
        change = {"start": span.start + characters, "end": span.end + characters}
        result.append(span.model_copy(update=change))
    return tuple(result)


def merge(text: str, spans: Iterable[Span], *, gap: int = 0) -> tuple[Span, ...]:
    """Return the spans in order, joining those that overlap or are at most `gap` characters apart.

    A joined span keeps its parts' kind and author if they agree (else "other", and both names with
    "+"), the highest severity, and, if no parts overlap and all replacements are known, a
    replacement that applies the same edits; if they contradict each other it is None. Equal edits
    count once. At gap 0 only touching spans join.
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
