"""Which tokens of a pair are changed, and which count: spans of characters as masks of tokens."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# Reason: regex ships no types.

from collections.abc import Sequence
from typing import Literal

import regex

from groundtune.records import Span

Edits = Literal["all", "published", "words", "alone"]
"""Which tokens count as changed. "all": those of all edits. "published": those of edits with text
in both answers, as in RLHF-V's released trainer (where the tokens of a pure insertion or deletion
weigh 1). "words": the words that describe the image; function words that were inserted or deleted
with them don't count at all. "alone": those of all edits, and no other token counts, for answers
that differ in more than their spans."""
_SAYING_NOTHING = """
a an the is are was were be been being there it its they them this that which one also too as well
addition of can could will would may might make makes out see sees seen visible show shows shown
showing include includes included contain contains scene image picture photo view
"""
_JOINING = frozenset({"and", "or"})
_SILENT = _JOINING | set(_SAYING_NOTHING.split())
"""Words that do not describe an image. Numbers, negations and places are not among them."""
_WORD = regex.compile(r"[\p{L}\p{N}][^\W_]*")
"""A letter or number and what follows of its word, combining marks included."""


def changed_tokens(
    offsets: Sequence[tuple[int, int]],
    spans: Sequence[Span],
    text: str = "",
    *,
    edits: Edits = "all",
) -> tuple[bool, ...]:
    """Return for each token whether any of its characters is in a changed span.

    All conversions from character spans to tokens use this function. `offsets[t]` are the
    characters [start, end) of token t in the exact text of the spans; several tokens may share a
    character (bytes of an emoji). A partly changed token is changed. A token without characters
    (the end token) never is.

    An empty span marks nothing: if the other answer has an insertion, its inserted tokens are
    marked there, but this answer has no token for it. With `edits="published"`, a span also marks
    nothing if its text in the other answer is known to be empty.

    With `edits="words"`, which needs the text, only words are changed: never a conjunction, and an
    article or another (English) word that does not describe the image only if the other answer has
    a word there that does. If ", a cat" is deleted, "cat" is changed; if " and " replaces it, that
    is not; if "a cat" becomes "two cats", all words are. See `counted_tokens` for the reason.
    """
    edges = [edge for span in spans for edge in _changed(span, text, edits)]
    return tuple(
        any(max(start, first) < min(end, last) for first, last in edges) for start, end in offsets
    )


def counted_tokens(
    offsets: Sequence[tuple[int, int]], spans: Sequence[Span], text: str, *, edits: Edits
) -> tuple[bool, ...]:
    """Return for each token whether it counts in the answer's score; see `changed_tokens`.

    With `edits="alone"`, only changed tokens count. Otherwise all count, except with
    `edits="words"` those that were inserted or deleted together with a changed word: a comma, "and"
    or "there is also", and the end token if the edit is at the answer's end. They are neither right
    nor wrong. If they counted, the model would learn to end lists and answers early (or late).
    """
    if edits == "alone":
        return changed_tokens(offsets, spans, text)
    if edits != "words":
        return (True,) * len(offsets)
    with_replacement = [span for span in spans if span.replacement is not None]
    changed = changed_tokens(offsets, with_replacement, text, edits=edits)
    touched = changed_tokens(offsets, with_replacement, text)
    end_moved = any(_moves_end(span, text) for span in with_replacement)
    return tuple(
        mark or not (touch or (end_moved and start == end == len(text)))
        for (start, end), mark, touch in zip(offsets, changed, touched, strict=True)
    )


def _moves_end(span: Span, text: str) -> bool:
    """Return whether an edit deletes or inserts the end of a text."""
    one_side = not text[span.start : span.end].strip() or not (span.replacement or "").strip()
    return span.end == len(text) and one_side


def _changed(span: Span, text: str, edits: Edits) -> list[tuple[int, int]]:
    """Return the changed characters of a span, as [start, end)."""
    if edits == "published" and span.replacement == "":
        return []
    if edits != "words":
        return [(span.start, span.end)]
    replaced = not _SILENT.issuperset(_WORD.findall((span.replacement or "").lower()))
    leave = _JOINING if replaced else _SILENT
    words = _WORD.finditer(text, span.start, span.end)
    return [word.span() for word in words if word[0].lower() not in leave]
