"""Extended grapheme clusters (UAX #29): what a reader perceives as one character.

A letter with its combining marks, a flag, an emoji with a skin tone or joined with others: spans
never begin or end inside one.
"""

# pyright: reportMissingTypeStubs=false
# Reason: regex ships no types.

from typing import cast

import regex

_CLUSTER = regex.compile(r"\X")


def clusters(text: str) -> list[str]:
    """Return the clusters in order; joined they give the text."""
    return cast("list[str]", _CLUSTER.findall(text))


def widen(text: str, start: int, end: int) -> tuple[int, int]:
    """Return characters [start, end) widened to whole clusters; an empty range stays empty.

    An empty range inside a cluster moves to the cluster's start.
    """
    if text.isascii() and "\r\n" not in text:
        return start, end
    first, last, position = start, end, 0
    for cluster in clusters(text):
        after = position + len(cluster)
        if position < start < after:
            first = position
        if position < end < after:
            last = after
        position = after
    return (first, first) if start == end else (first, last)
