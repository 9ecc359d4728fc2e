"""What the engine runs: a prompt with answers to it, and the tokens that a changed span touches.

This file knows token ids and character offsets; it runs no model.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from groundtune.records import Span
from groundtune.vlm.encoded import EncodedAnswer, EncodedPrompt

Edits = Literal["all", "published", "words"]
"""Which edits count as changed: all; only those with text on both sides, as in RLHF-V's released
trainer (where the tokens of a pure insertion or deletion weigh 1); or only those that change a
word, and not the commas and conjunctions that had to move with it."""

_JOINING = frozenset({"and", "or"})
_WORD = re.compile(r"[^\W_]+")


class Row(NamedTuple):
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
    def row(self) -> Row:
        """The prompt with chosen and rejected, in that order."""
        return Row(self.prompt, (self.chosen, self.rejected))


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
    either. With `edits="words"`, which needs the text, neither does one that has on both sides at
    most commas and conjunctions: "a cup, a cat and a dog" without its dog is "a cup and a cat", and
    a heavy "and" would teach to end lists early, whatever they list.
    """
    edges = [(span.start, span.end) for span in spans if _counts(span, text, edits)]
    return tuple(
        any(max(start, first) < min(end, last) for first, last in edges) for start, end in offsets
    )


def _counts(span: Span, text: str, edits: Edits) -> bool:
    """Whether an edit is one of those that count."""
    if edits == "published":
        return span.replacement != ""
    if edits == "words" and span.replacement is not None:
        told = f"{text[span.start : span.end]} {span.replacement}"
        return bool(set(_WORD.findall(told.lower())) - _JOINING)
    return True
