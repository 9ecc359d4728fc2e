"""A text cut into pieces, so that what is wrong in it can be marked."""

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
"""What each kind of mark says, in the order of the legend."""


Marks = Literal["wrong", "removed", "added"]
"""What the marks of a text mean."""


class TextPiece(NamedTuple):
    """Some of a text.

    `kind` is "" where nothing is wrong; a piece without text is where something is missing.
    """

    text: str
    kind: SpanKind | str
    title: str


def pieces(text: str, spans: Sequence[Span], marks: Marks = "wrong") -> list[TextPiece]:
    """The text in pieces, which joined are the text again; of spans that overlap the first wins."""
    found: list[TextPiece] = []
    position = 0
    for span in sorted(spans, key=lambda s: (s.start, s.end)):
        start = max(span.start, position)
        if span.end < start or (span.end == start and span.start < span.end):
            continue
        if start > position:
            found.append(TextPiece(text[position:start], "", ""))
        found.append(TextPiece(text[start : span.end], span.kind, _title(span, marks)))
        position = span.end
    if position < len(text):
        found.append(TextPiece(text[position:], "", ""))
    return found


def summary(spans: Sequence[Span], marks: Marks = "wrong") -> str:
    """How much is wrong, as in "2 wrong: 1 object, 1 number"; "" if nothing is."""
    if marks != "wrong":
        return f"{len(spans)} {'change' if len(spans) == 1 else 'changes'}" if spans else ""
    counts = Counter(span.kind for span in spans)
    said = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind])
    return f"{len(spans)} wrong: {said}" if spans else ""


def _title(span: Span, marks: Marks) -> str:
    if marks != "wrong":
        other = f", in place of: {span.replacement.strip()}" if span.replacement else ""
        return f"{marks}{other}" if marks == "added" else marks
    said = f"{span.kind}: {KINDS[span.kind]}"
    if span.start == span.end:
        said = f"{span.kind}: something is missing here"
    if span.replacement:
        said += f"; should be \u201c{span.replacement.strip()}\u201d"
    return f"{said} ({span.by})" if span.by else said
