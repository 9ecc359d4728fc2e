"""Turns texts that grow into pieces that are sent: whole characters, nothing from a stop on."""

from collections.abc import Callable, Sequence

_PART = "\ufffd"
"""What a tokenizer makes of a character whose bytes are not all there yet."""


class Telling:
    """What of each answer was told already."""

    def __init__(
        self, answers: int, stops: Sequence[str], tell: Callable[[int, str], None]
    ) -> None:
        self._stops = stops
        self._tell = tell
        self._told = [""] * answers

    def grow(self, texts: Sequence[str]) -> set[int]:
        """Tells what is new and sure; which answers have reached a stop."""
        ended: set[int] = set()
        for index, text in enumerate(texts):
            cut = until_stop(text, self._stops)
            if len(cut) < len(text):
                ended.add(index)
            self._send(index, cut if len(cut) < len(text) else self._sure(text))
        return ended

    def end(self, texts: Sequence[str]) -> None:
        """Tells what is left of the whole texts."""
        for index, text in enumerate(texts):
            self._send(index, text)

    def _send(self, index: int, text: str) -> None:
        told = self._told[index]
        if len(text) > len(told) and text.startswith(told):
            self._told[index] = text
            self._tell(index, text[len(told) :])

    def _sure(self, text: str) -> str:
        """Without half a character, and without what may become a stop."""
        text = text.rstrip(_PART)
        longest = max((_overlap(text, stop) for stop in self._stops), default=0)
        return text[: len(text) - longest]


def until_stop(text: str, stops: Sequence[str]) -> str:
    """The text before the first stop in it."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return text[: min(places)] if places else text


def _overlap(text: str, stop: str) -> int:
    """How many last characters of the text begin the stop."""
    most = min(len(text), len(stop) - 1)
    return next((n for n in range(most, 0, -1) if stop.startswith(text[-n:])), 0)
