"""Separates a reasoning model's thoughts from its answer.

Reasoning models write their thoughts before the answer, between tags. The chat template may have
put the first tag into the prompt. Some endpoints return thoughts in a separate field or part:
`completion.py` reads those.
"""

from typing import Literal, NamedTuple

from groundtune.protocols import Reply

_TAGS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
)
"""Qwen3, GLM-4.1V, DeepSeek-R1 and most others; some prompts; Gemma-like
tunes; Magistral; Seed; Kimi-VL-Thinking."""


class SplitText(NamedTuple):
    """A text's thoughts and answer, without white space between them."""

    thoughts: str
    answer: str


class ThoughtFilter:
    """Splits a text that arrives in pieces. Thoughts must begin with a tag."""

    def __init__(self) -> None:
        self.thoughts = ""
        """Complete once the answer begins or the text ends."""
        self._stage: Literal["undecided", "thinking", "between", "answer"] = "undecided"
        self._pending = ""
        self._last_tag = ""

    def feed(self, piece: str) -> str:
        """Return the characters that this piece adds to the answer."""
        self._pending += piece
        if self._stage == "undecided":
            self._begin()
        if self._stage == "thinking":
            before, tag, after = self._pending.partition(self._last_tag)
            if tag:
                self.thoughts, self._pending, self._stage = before.strip(), after, "between"
        if self._stage == "between":
            self._pending = self._pending.lstrip()
            self._stage = "answer" if self._pending else "between"
        return self._release() if self._stage == "answer" else ""

    def end(self) -> str:
        """End the text; return the answer's last characters. Unclosed thoughts remain thoughts."""
        if self._stage == "thinking":
            self.thoughts = self._release().strip()
        return self._release()

    def _begin(self) -> None:
        text = self._pending.lstrip()
        for first, last in _TAGS:
            if text.startswith(first):
                self._pending, self._last_tag = text.removeprefix(first), last
                self._stage = "thinking"
                return
        if not any(first.startswith(text) for first, _ in _TAGS):
            self._stage = "answer"

    def _release(self) -> str:
        text, self._pending = self._pending, ""
        return text


def split_thoughts(text: str) -> SplitText:
    """Split a complete text; without thoughts the answer is the unchanged text.

    Thoughts that never end, because the text was truncated, leave an empty answer.
    """
    for first, last in _TAGS:
        before, tag, after = text.partition(last)
        if tag and first not in before:
            return SplitText(before.strip(), after.lstrip())
    parts = ThoughtFilter()
    answer = parts.feed(text) + parts.end()
    return SplitText(parts.thoughts, answer)


def without_thoughts(reply: Reply) -> Reply:
    """Return a reply whose text is the answer alone: the server may have left them in."""
    parts = split_thoughts(reply.text)
    if parts.answer == reply.text:
        return reply
    thoughts = "\n".join(filter(None, (reply.thoughts, parts.thoughts)))
    return reply._replace(text=parts.answer, thoughts=thoughts)
