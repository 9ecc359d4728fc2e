"""Splits a text into pieces, so that errors in it can be marked."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from groundtune.records import Span, SpanKind

KINDS: dict[SpanKind, str] = {
    "object": "not in the image",
    "attribute": "wrong colour or other property",
    "number": "wrong number",
    "position": "wrong place",
    "action": "wrong action",
    "other": "wrong in another way",
}
"""Description of each kind of mark, in the order of the legend."""


Marks = Literal["wrong", "removed", "added"]
"""Meaning of a text's marks."""


class TextPiece(NamedTuple):
    """Part of a text.

    `kind` is "" if nothing is wrong; a piece without text marks something missing.
    """

    text: str
    kind: SpanKind | str
    title: str


def pieces(text: str, spans: Sequence[Span], marks: Marks = "wrong") -> list[TextPiece]:
    """The pieces of a text, which join to it; of overlapping spans the first is used."""
    result: list[TextPiece] = []
    position = 0
    for span in sorted(spans, key=lambda s: (s.start, s.end)):
        start = max(span.start, position)
        if span.end < start or (span.end == start and span.start < span.end):
            continue
        if start > position:
            result.append(TextPiece(text[position:start], "", ""))
        result.append(TextPiece(text[start : span.end], span.kind, _title(span, marks)))
        position = span.end
    if position < len(text):
        result.append(TextPiece(text[position:], "", ""))
    return result


def summary(spans: Sequence[Span], marks: Marks = "wrong") -> str:
    """A count of errors, such as "2 wrong: 1 object, 1 number"; "" if there are none."""
    if marks != "wrong":
        return f"{len(spans)} {'change' if len(spans) == 1 else 'changes'}" if spans else ""
    counts = Counter(span.kind for span in spans)
    counts_text = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind])
    return f"{len(spans)} wrong: {counts_text}" if spans else ""


def _title(span: Span, marks: Marks) -> str:
    if marks != "wrong":
        other = f", in place of: {span.replacement.strip()}" if span.replacement else ""
        return f"{marks}{other}" if marks == "added" else marks
    title = f"{span.kind}: {KINDS[span.kind]}"
    if span.start == span.end:
        title = f"{span.kind}: something is missing here"
    if span.replacement:
        title += f"; should be \u201c{span.replacement.strip()}\u201d"
    return f"{title} ({span.by})" if span.by else title
