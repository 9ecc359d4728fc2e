"""What a model thinks before it answers, kept apart from the answer.

Models that reason write their thoughts before the answer, between tags. A chat template may have
put the first tag into the prompt. An endpoint may also return thoughts in a field or part of their
own: `completion.py` reads those.
"""

from typing import Literal, NamedTuple

_TAGS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
)
"""Qwen3, GLM-4.1V, DeepSeek-R1 and most others; some prompts; Kimi-VL-Thinking."""


class Thought(NamedTuple):
    """A text as its thoughts and its answer, without white space where they meet."""

    thoughts: str
    answer: str


class ThoughtFilter:
    """Splits a text that arrives in pieces. It knows only thoughts that begin with a tag."""

    def __init__(self) -> None:
        self.thoughts = ""
        """Complete once the answer begins or the text ends."""
        self._stage: Literal["undecided", "thinking", "between", "answer"] = "undecided"
        self._held = ""
        self._last_tag = ""

    def feed(self, piece: str) -> str:
        """Return the characters that this piece adds to the answer."""
        self._held += piece
        if self._stage == "undecided":
            self._begin()
        if self._stage == "thinking":
            before, found, after = self._held.partition(self._last_tag)
            if found:
                self.thoughts, self._held, self._stage = before.strip(), after, "between"
        if self._stage == "between":
            self._held = self._held.lstrip()
            self._stage = "answer" if self._held else "between"
        return self._release() if self._stage == "answer" else ""

    def end(self) -> str:
        """Return what the text's end shows to be answer; thoughts that never end are thoughts."""
        if self._stage == "thinking":
            self.thoughts = self._release().strip()
        return self._release()

    def _begin(self) -> None:
        text = self._held.lstrip()
        for first, last in _TAGS:
            if text.startswith(first):
                self._held, self._last_tag = text.removeprefix(first), last
                self._stage = "thinking"
                return
        if not any(first.startswith(text) for first, _ in _TAGS):
            self._stage = "answer"

    def _release(self) -> str:
        held, self._held = self._held, ""
        return held


def split_thoughts(text: str) -> Thought:
    """Split a whole text; without thoughts the answer is the text as it is.

    Thoughts that never end, because the text was truncated, leave an empty answer.
    """
    for first, last in _TAGS:
        before, found, after = text.partition(last)
        if found and first not in before:
            return Thought(before.strip(), after.lstrip())
    parts = ThoughtFilter()
    answer = parts.feed(text) + parts.end()
    return Thought(parts.thoughts, answer)
