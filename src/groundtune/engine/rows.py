"""What the engine runs: a prompt with answers to it, and the tokens that a changed span touches.

This file knows token ids and character offsets; it runs no model.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from groundtune.records import Span
from groundtune.vlm.encoded import EncodedAnswer, EncodedPrompt

Edits = Literal["all", "published", "words", "alone"]
"""What counts as changed: all edits; only those with text on both sides, as in RLHF-V's released
trainer (where the tokens of a pure insertion or deletion weigh 1); only the words that say what is
in the image, while the words around them that had to come or go with them don't count; or all
edits alone, while nothing else counts: for pairs of answers that differ in more than their spans.
"""

_JOINING = frozenset({"and", "or"})
_SAYING_NOTHING = """
a an the is are was were be been being there it its they them this that which one also too as well
addition of can could will would may might make makes out see sees seen visible show shows shown
showing include includes included contain contains scene image image photo view
"""
_SILENT = _JOINING | set(_SAYING_NOTHING.split())
"""Words that say nothing of what is in an image. No number, negation or place is among them."""
_WORD = re.compile(r"[^\W_]+")


class PromptRow(NamedTuple):
    """A prompt and the answers to it that are to be scored."""

    prompt: EncodedPrompt
    answers: tuple[EncodedAnswer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedPair:
    """A pair as tokens. `*_changed[t]`: whether token t of that answer touches a changed span."""

    key: str
    prompt: EncodedPrompt
    chosen: EncodedAnswer
    rejected: EncodedAnswer
    chosen_changed: tuple[bool, ...]
    rejected_changed: tuple[bool, ...]

    @property
    def tokens(self) -> int:
        """Tokens of the longer of its two sequences, prompt included."""
        return len(self.prompt.ids) + max(len(self.chosen.ids), len(self.rejected.ids))

    @property
    def row(self) -> PromptRow:
        """The prompt with chosen and rejected, in that order."""
        return PromptRow(self.prompt, (self.chosen, self.rejected))


def changed_tokens(
    offsets: Sequence[tuple[int, int]],
    spans: Sequence[Span],
    text: str = "",
    *,
    edits: Edits = "all",
) -> tuple[bool, ...]:
    """For each token, whether it is changed: whether one of its characters lies in a changed span.

    The one way from character spans to tokens. `offsets[t]` are the characters [start, end) of
    token t in the exact text that the spans speak of; several tokens may share a character (bytes
    of an emoji). A token that is only partly changed is changed. A token without characters (the
    end token) never is.

    An empty span marks nothing: where text was inserted, the inserted tokens of the other side are
    marked, but on this side no token says the insertion, and the token after it is as right as
    before. With `edits="published"` a span whose other side is known to be empty marks nothing
    either.

    With `edits="words"`, which needs the text, only words are changed: no conjunction, and an
    article or another (English) word that says nothing of the image only where the other side
    says something. Of ", a cat" that was taken out it is "cat" alone, and of " and " that took its
    place nothing; of "a cat" that became "two cats" all. `counted_tokens` tells why.
    """
    edges = [edge for span in spans for edge in _changed(span, text, edits)]
    return tuple(
        any(max(start, first) < min(end, last) for first, last in edges) for start, end in offsets
    )


def counted_tokens(
    offsets: Sequence[tuple[int, int]], spans: Sequence[Span], text: str, *, edits: Edits
) -> tuple[bool, ...]:
    """For each token, whether it is part of the answer's score; parameters as in `changed_tokens`.

    With `edits="alone"` the changed ones are. Else all are, but with `edits="words"` those that
    came or went only along with what is changed: the comma, "and" or "there is also" that carried a
    word, and the end token where the answer's end was cut off or added. They were neither right nor
    wrong. Counted, they teach to end lists and answers early (or late), whatever these say.
    """
    if edits == "alone":
        return changed_tokens(offsets, spans, text)
    if edits != "words":
        return (True,) * len(offsets)
    known = [span for span in spans if span.replacement is not None]
    changed = changed_tokens(offsets, known, text, edits=edits)
    touched = changed_tokens(offsets, known, text)
    cut = any(_cut_off(span, text) for span in known)
    return tuple(
        mark or not (touch or (cut and start == end == len(text)))
        for (start, end), mark, touch in zip(offsets, changed, touched, strict=True)
    )


def _cut_off(span: Span, text: str) -> bool:
    """Whether an edit cuts off or adds a text's end."""
    one_side = not text[span.start : span.end].strip() or not (span.replacement or "").strip()
    return span.end == len(text) and one_side


def _changed(span: Span, text: str, edits: Edits) -> list[tuple[int, int]]:
    """The characters of a span that are changed, as [start, end)."""
    if edits == "published" and span.replacement == "":
        return []
    if edits != "words":
        return [(span.start, span.end)]
    replaced = not _SILENT.issuperset(_WORD.findall((span.replacement or "").lower()))
    leave = _JOINING if replaced else _SILENT
    words = _WORD.finditer(text, span.start, span.end)
    return [word.span() for word in words if word[0].lower() not in leave]
