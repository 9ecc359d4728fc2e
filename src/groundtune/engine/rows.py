"""The engine's input: a prompt with its answers, and the tokens that changed spans touch.

This file handles token ids and character offsets; it runs no model.
"""

from dataclasses import dataclass
from typing import NamedTuple

from groundtune.vlm.encoded import EncodedAnswer, EncodedPrompt


class PromptRow(NamedTuple):
    """A prompt and its answers to score."""

    prompt: EncodedPrompt
    answers: tuple[EncodedAnswer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedPair:
    """A pair as tokens. `*_changed[t]` is whether token t of that answer is in a changed span."""

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
