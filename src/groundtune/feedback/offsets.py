"""Offsets that other tools counted in code points, UTF-16 units or UTF-8 bytes.

Python counts code points, browsers, Java and C# UTF-16 units, and Go and Rust bytes. They differ
after an emoji or, for bytes, after any character that isn't ASCII. A mark that includes its text
shows which unit was used.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

Unit = Literal["characters", "UTF-16 units", "UTF-8 bytes"]
UNITS: tuple[Unit, ...] = ("characters", "UTF-16 units", "UTF-8 bytes")


class OffsetMark(NamedTuple):
    """A mark of a file: offsets [start, end) into a text, and the marked words."""

    text: str
    start: int
    end: int
    words: str | None = None
    """None if the file doesn't have them."""


def unit_of(marks: Sequence[OffsetMark]) -> Unit | OffsetMark:
    """Return the unit in which all marks with words fit; characters if several do.

    If none does, return the first mark that doesn't fit in the unit that fits most marks.
    """
    with_words = [mark for mark in marks if mark.words is not None]
    misfits = {unit: [mark for mark in with_words if not _fits(mark, unit)] for unit in UNITS}
    best = min(UNITS, key=lambda unit: len(misfits[unit]))
    return misfits[best][0] if misfits[best] else best


def in_characters(mark: OffsetMark, unit: Unit) -> tuple[int, int] | None:
    """Return a mark's offsets in characters; None if they leave the text or split a character."""
    if unit == "characters":
        return (mark.start, mark.end) if 0 <= mark.start <= mark.end <= len(mark.text) else None
    width = 2 if unit == "UTF-16 units" else 1
    coding = "utf-16-le" if unit == "UTF-16 units" else "utf-8"
    data = mark.text.encode(coding, "surrogatepass")
    if not 0 <= mark.start <= mark.end <= len(data) // width:
        return None
    try:
        before, within = (
            data[first * width : last * width].decode(coding)
            for first, last in ((0, mark.start), (mark.start, mark.end))
        )
    except UnicodeDecodeError:
        return None
    return len(before), len(before) + len(within)


def is_ambiguous(mark: OffsetMark) -> bool:
    """Return whether a mark without words would mean other words in another unit."""
    return mark.words is None and not mark.text[: mark.end].isascii()


def _fits(mark: OffsetMark, unit: Unit) -> bool:
    place = in_characters(mark, unit)
    return place is not None and mark.text[place[0] : place[1]] == mark.words
