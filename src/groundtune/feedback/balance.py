"""Length balancing, so that pairs don't teach shorter or longer answers.

A count of rejected claims favours short answers. Lengths are words between white space, as in
RLAIF-V's code (arXiv 2405.17220).
"""

from collections.abc import Sequence
from typing import NamedTuple

from groundtune.records import Pair

_LIMITS = tuple(step / 50 for step in range(50))
"""The limits that the published code tries: 0, 0.02, ..., 0.98."""


class BalancedPairs(NamedTuple):
    """The remaining pairs, in order, and the limit that was applied."""

    pairs: list[Pair]
    limit: float


class MeanWords(NamedTuple):
    """Mean words of the chosen and the rejected answers; 0 without pairs."""

    chosen: float
    rejected: float


def word_count(text: str) -> int:
    """Return the number of words, split at white space."""
    return len(text.split())


def mean_words(pairs: Sequence[Pair]) -> MeanWords:
    """Return the mean words of both sides."""
    if not pairs:
        return MeanWords(0.0, 0.0)
    chosen = sum(word_count(pair.chosen) for pair in pairs) / len(pairs)
    return MeanWords(chosen, sum(word_count(pair.rejected) for pair in pairs) / len(pairs))


def shorter_by(pair: Pair) -> float:
    """Return by what share of the rejected answer's words the chosen one is shorter.

    Negative if it is longer.

    Raises:
        ZeroDivisionError: the rejected answer has no word.
    """
    rejected = word_count(pair.rejected)
    return (rejected - word_count(pair.chosen)) / rejected


def balance_corpus(pairs: Sequence[Pair]) -> BalancedPairs:
    """Apply the published rule to all pairs together.

    Keep the pairs whose chosen answer is shorter by at most a limit; a longer one always stays. The
    limit is the one of 0, 0.02, ..., 0.98 with the least difference between the mean lengths of
    both sides, relative to the rejected side's; of equally good limits, the smallest.
    """
    if not pairs:
        return BalancedPairs([], _LIMITS[-1])
    shares = [shorter_by(pair) for pair in pairs]
    best, best_gap = BalancedPairs(list(pairs), _LIMITS[-1]), float("inf")
    for limit in _LIMITS:
        remaining = [pair for pair, share in zip(pairs, shares, strict=True) if share <= limit]
        if not remaining:
            continue
        chosen, rejected = mean_words(remaining)
        gap = abs(chosen - rejected) / rejected
        if gap < best_gap:
            best, best_gap = BalancedPairs(remaining, limit), gap
    return best


def balance_each(pairs: Sequence[Pair], limit: float) -> list[Pair]:
    """Return the pairs whose lengths differ by at most `limit` of the longer one."""
    remaining: list[Pair] = []
    for pair in pairs:
        lengths = word_count(pair.chosen), word_count(pair.rejected)
        if max(lengths) - min(lengths) <= limit * max(lengths):
            remaining.append(pair)
    return remaining


def trim_excess(pairs: Sequence[Pair], max_mean_excess: float = 0.5) -> list[Pair]:
    """Remove the pairs with the longest chosen answers until the mean excess is small.

    The rule of RLAIF-V's proposed data engine for pairs by reward: remove the pair with the largest
    excess of words of the chosen answer until the mean excess is at most `max_mean_excess`.
    """
    excess = {pair.key: word_count(pair.chosen) - word_count(pair.rejected) for pair in pairs}
    remaining = sorted(pairs, key=lambda pair: (excess[pair.key], pair.key))
    total = sum(excess.values())
    while remaining and total > max_mean_excess * len(remaining):
        total -= excess[remaining.pop().key]
    keys = {pair.key for pair in remaining}
    return [pair for pair in pairs if pair.key in keys]
