"""Tests of one or two models on the same items: intervals of rates, p-values and their correction.

`bootstrap.py` estimates how large a difference is, with an interval. Here: the probability of one
at least as large if the two models were equal, and its correction for many tests.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from math import exp, lgamma, log, sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from groundtune.bench.metric import Floats

PERMUTATIONS = 10_000
"""Random sign changes if there are too many to try all; the least p is 1 / (PERMUTATIONS + 1)."""
LEVEL = 0.05
"""A difference is clear up to this p-value, corrected for all tests of a comparison."""
ALL_UP_TO = 13
"""Maximum number of images for which all 2^images sign changes are tried."""
_AT_ONCE = 250


class Interval(NamedTuple):
    """The 2.5% and 97.5% quantiles."""

    low: float
    high: float


def wilson(hits: float, n: int, level: float = 0.95) -> Interval:
    """Wilson's score interval of a rate of `hits` in `n` independent answers, in [0, 1].

    E. B. Wilson 1927, J. Am. Stat. Assoc. 22: the rates p with |hits/n - p| <= z sqrt(p(1-p)/n). 0
    answers give [0, 1].

    Raises:
        ValueError: hits outside [0, n].
    """
    if not 0 <= hits <= n:
        raise ValueError(f"{hits} hits of {n}")
    if n == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + level / 2)
    rate = hits / n
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Interval(0.0 if hits == 0 else middle - half, 1.0 if hits == n else middle + half)


def mcnemar(only_ours: int, only_theirs: int) -> float:
    """Exact two-sided p of McNemar's test, from the items that only one of two models gets right.

    McNemar 1947, Psychometrika 12, with the binomial distribution instead of chi-squared: if the
    models were equal, each of these items would favour either with probability 1/2. Items on which
    both agree are not informative. It treats items as independent; if several share an image, use
    `permutation`.
    """
    if only_ours < 0 or only_theirs < 0:
        raise ValueError("counts are not negative")
    n = only_ours + only_theirs
    return min(1.0, 2 * _tail(min(only_ours, only_theirs), n)) if n else 1.0


def _tail(most: int, n: int) -> float:
    """P(X <= most) for n fair coin flips and most <= n / 2: terms decrease from there."""
    term = exp(lgamma(n + 1) - lgamma(most + 1) - lgamma(n - most + 1) - n * log(2))
    total = 0.0
    for k in range(most, -1, -1):
        total += term
        term *= k / (n - k + 1)
        if term < 1e-18 * total:
            break
    return total


class Exchanges:
    """The sums of two models, exchanged image by image, to test any metric of them.

    Fisher 1935, The Design of Experiments, section 21. Both tables have sums per image, in the same
    order (I, C). All answers about an image change sides together. Up to 13 images, all exchanges
    are tried; otherwise `number` random ones, and the observed one (Phipson and Smyth 2010, arXiv
    1603.05766), so that p is never 0.

    Raises:
        ValueError: tables of different shapes.
    """

    def __init__(
        self, ours_IC: Floats, theirs_IC: Floats, *, seed: int = 0, number: int = PERMUTATIONS
    ) -> None:
        if ours_IC.shape != theirs_IC.shape:
            raise ValueError(f"sums of shapes {ours_IC.shape} and {theirs_IC.shape}")
        half_IC = (ours_IC - theirs_IC) / 2
        self._moved_IC = half_IC[np.any(half_IC != 0, axis=1)]
        self._middle_C = (ours_IC.sum(0) + theirs_IC.sum(0)) / 2
        self._seed, self._number = seed, number

    def p(self, value: Callable[[Floats], Floats]) -> float:
        """Return the two-sided p of a metric's difference.

        `value` computes a metric (R,) from total sums (R, C), so that ratios are of the exchanged
        sums, as in the metric itself. An exchange that leaves no denominator counts as extreme.
        """
        if not len(self._moved_IC):
            return 1.0

        def distance(shift_RC: Floats) -> Floats:
            return np.abs(value(self._middle_C + shift_RC) - value(self._middle_C - shift_RC))

        observed = float(distance(self._moved_IC.sum(0, keepdims=True))[0])
        if not np.isfinite(observed):
            return 1.0
        far_R = _as_far(distance(self._shifts_RC), observed)
        if self._has_all:
            return float(far_R.mean())
        return (int(far_R.sum()) + 1) / (self._number + 1)

    @property
    def _has_all(self) -> bool:
        return len(self._moved_IC) <= ALL_UP_TO

    @cached_property
    def _shifts_RC(self) -> Floats:
        """Half the difference of the sums after each exchange, shared by all metrics."""
        images = len(self._moved_IC)
        if self._has_all:
            return _all_signs(images) @ self._moved_IC
        rng = np.random.default_rng([self._seed, images])
        parts: list[Floats] = []
        for first in range(0, self._number, _AT_ONCE):
            count = min(_AT_ONCE, self._number - first)
            signs = rng.integers(2, size=(count, images), dtype=np.int8)
            parts.append((2.0 * signs.astype(np.float64) - 1) @ self._moved_IC)
        return np.concatenate(parts)


def permutation(
    ours_IC: Floats,
    theirs_IC: Floats,
    value: Callable[[Floats], Floats],
    *,
    seed: int = 0,
    number: int = PERMUTATIONS,
) -> float:
    """Return the two-sided p of one metric's difference (`Exchanges`)."""
    return Exchanges(ours_IC, theirs_IC, seed=seed, number=number).p(value)


def _as_far(distances_R: Floats, observed: float) -> Floats:
    """1 if a distance is at least the observed one; sums in another order count as equal."""
    return np.where(distances_R < observed - 1e-9 * max(1.0, observed), 0.0, 1.0)


def _all_signs(images: int) -> Floats:
    numbers = np.arange(2**images, dtype=np.int64)[:, None]
    bits = np.bitwise_and(np.right_shift(numbers, np.arange(images, dtype=np.int64)), 1)
    return 2.0 * bits.astype(np.float64) - 1


def permutations_for(tests: int) -> int:
    """Return how many random exchanges make the least p clear after Holm's correction of `tests`.

    At least 10,000; at most 100,000, which is enough for 2,500 tests.
    """
    return min(100_000, max(PERMUTATIONS, 40 * tests))


def holm(ps: Sequence[float]) -> list[float]:
    """p-values corrected for their number, in their order (Holm 1979, Scand. J. Stat. 6).

    Rejecting at 0.05 has a probability of at most 0.05 of any false rejection, for any dependence
    between the tests.
    """
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    result, largest = [0.0] * len(ps), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[i]))
        result[i] = largest
    return result
