"""Splits growing texts into pieces to send: complete characters, nothing from a stop text on."""

from collections.abc import Callable, Sequence

_PART = "\ufffd"
"""The replacement character, which stands for a character with missing bytes."""


class TextStream:
    """The text that was already sent of each answer."""

    def __init__(
        self, answers: int, stops: Sequence[str], tell: Callable[[int, str], None]
    ) -> None:
        self._stops = stops
        self._send_piece = tell
        self._texts = [""] * answers

    def grow(self, texts: Sequence[str]) -> set[int]:
        """Send new text that is final; return the answers that have reached a stop text."""
        finished: set[int] = set()
        for index, text in enumerate(texts):
            truncated = until_stop(text, self._stops)
            if len(truncated) < len(text):
                finished.add(index)
            self._send(index, truncated if len(truncated) < len(text) else self._sure(text))
        return finished

    def end(self, texts: Sequence[str]) -> None:
        """Send the rest of the complete texts."""
        for index, text in enumerate(texts):
            self._send(index, text)

    def _send(self, index: int, text: str) -> None:
        earlier = self._texts[index]
        if len(text) > len(earlier) and text.startswith(earlier):
            self._texts[index] = text
            self._send_piece(index, text[len(earlier) :])

    def _sure(self, text: str) -> str:
        """The text without a partial character or the possible beginning of a stop text."""
        text = text.rstrip(_PART)
        longest = max((_overlap(text, stop) for stop in self._stops), default=0)
        return text[: len(text) - longest]


def until_stop(text: str, stops: Sequence[str]) -> str:
    """The text before the stop text that is complete first, so that growing texts end alike."""
    ends = [(place + len(stop), place) for stop in stops if (place := text.find(stop)) >= 0]
    return text[: min(ends)[1]] if ends else text


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of the text that begins the stop text."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if stop.startswith(text[-n:])), 0)
