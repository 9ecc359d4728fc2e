"""Length balancing: what keeps pairs from teaching to say less, or more.

A count of rejected claims favours short answers. Lengths are words between white space, as in
RLAIF-V's code (arXiv 2405.17220).
"""

from collections.abc import Sequence
from typing import NamedTuple

from groundtune.records import Pair

_LIMITS = tuple(step / 50 for step in range(50))
"""0, 0.02, ..., 0.98: the limits that the published code tries."""


class Balanced(NamedTuple):
    """The pairs that stay, in order, and the limit that kept them."""

    pairs: list[Pair]
    limit: float


class MeanWords(NamedTuple):
    """Mean words of the chosen and of the rejected answers; 0 without pairs."""

    chosen: float
    rejected: float


def word_count(text: str) -> int:
    """Words between white space."""
    return len(text.split())


def mean_words(pairs: Sequence[Pair]) -> MeanWords:
    """Mean words of both sides."""
    if not pairs:
        return MeanWords(0.0, 0.0)
    chosen = sum(word_count(pair.chosen) for pair in pairs) / len(pairs)
    return MeanWords(chosen, sum(word_count(pair.rejected) for pair in pairs) / len(pairs))


def shorter_by(pair: Pair) -> float:
    """By what share of the rejected answer's words the chosen one is shorter; negative if longer.

    Raises:
        ZeroDivisionError: the rejected answer has no word.
    """
    rejected = word_count(pair.rejected)
    return (rejected - word_count(pair.chosen)) / rejected


def balance_corpus(pairs: Sequence[Pair]) -> Balanced:
    """The published rule, over all pairs together.

    Keeps the pairs whose chosen answer is shorter by at most a limit (a longer one always stays),
    where the limit of 0, 0.02, ..., 0.98 is the one that brings the mean lengths of both sides
    closest, relative to the rejected side's; of equally good ones the smallest.
    """
    if not pairs:
        return Balanced([], _LIMITS[-1])
    shares = [shorter_by(pair) for pair in pairs]
    best, best_gap = Balanced(list(pairs), _LIMITS[-1]), float("inf")
    for limit in _LIMITS:
        kept = [pair for pair, share in zip(pairs, shares, strict=True) if share <= limit]
        if not kept:
            continue
        chosen, rejected = mean_words(kept)
        gap = abs(chosen - rejected) / rejected
        if gap < best_gap:
            best, best_gap = Balanced(kept, limit), gap
    return best


def balance_each(pairs: Sequence[Pair], limit: float) -> list[Pair]:
    """Pairs whose lengths differ by at most `limit` of the longer one's, either way."""
    kept: list[Pair] = []
    for pair in pairs:
        lengths = word_count(pair.chosen), word_count(pair.rejected)
        if max(lengths) - min(lengths) <= limit * max(lengths):
            kept.append(pair)
    return kept


def trim_excess(pairs: Sequence[Pair], most: float = 0.5) -> list[Pair]:
    """Leaves out the pairs whose chosen answer is longest, until few words too many are left.

    The rule of RLAIF-V's proposed data engine for pairs by reward: the pair with the largest excess
    of words of the chosen answer goes, again and again, until the mean excess is at most `most`.
    """
    excess = {pair.key: word_count(pair.chosen) - word_count(pair.rejected) for pair in pairs}
    kept = sorted(pairs, key=lambda pair: (excess[pair.key], pair.key))
    total = sum(excess.values())
    while kept and total > most * len(kept):
        total -= excess[kept.pop().key]
    left = {pair.key for pair in kept}
    return [pair for pair in pairs if pair.key in left]
