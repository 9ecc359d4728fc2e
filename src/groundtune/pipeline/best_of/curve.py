"""What best of N gives for N = 1, 2, 4, ...: means over all ways to have N of the candidates.

Of K candidates to a prompt, ordered by reward, the r-th is the best of a subset of N in
C(K - r, N - 1) of the C(K, N) subsets. So each N is estimated from all K candidates, without
drawing any, and N = 1 is the plain mean of them. Intervals resample images; a difference from
N = 1 is taken on the same resamples.

Shapes: I images, C columns, R resamples.
"""

from collections.abc import Mapping, Sequence
from math import comb
from typing import NamedTuple

import numpy as np

from groundtune.bench.metric import Floats, ratio
from groundtune.bench.stats.bootstrap import interval, resamples
from groundtune.records import Record


class Candidate(NamedTuple):
    """An answer and what is known of it."""

    answer: str
    image: str
    empty: bool
    total: float
    """Its reward, undivided."""
    tokens: int
    values: Mapping[str, float]

    def reward(self, normalise: float) -> float:
        """Its reward over its tokens to this power."""
        return self.total / self.tokens**normalise


class Rate(NamedTuple):
    """A value and its 95% interval."""

    value: float
    low: float
    high: float


class Quantity(NamedTuple):
    """A mean or share over the chosen answers."""

    name: str
    label: str
    over: str
    """Column of the numerator."""
    under: str
    """Column of the denominator; "" for the number of prompts."""
    share: bool
    kept: bool = False
    """Whether more of it is better."""


QUANTITIES = (
    Quantity("chair_sentence", "Answers with an invented object", "invented", "", True),
    Quantity(
        "chair_instance",
        "Invented objects among all mentioned",
        "invented_mentions",
        "mentions",
        True,
    ),
    Quantity("wrong_any", "Answers with anything wrong", "wrong", "", True),
    Quantity(
        "recall", "Objects in the picture that are named", "classes", "truth_classes", True, True
    ),
    Quantity("rejected", "Answers with a rejected claim", "rejected", "", True),
    Quantity(
        "rejected_claims", "Rejected claims among all checked", "rejected_claims", "claims", True
    ),
    Quantity("words", "Words an answer", "words", "", False),
    Quantity("reward", "Reward", "reward", "", False, True),
)
"""What is told, as far as the candidates know it."""


class Point(Record):
    """Best of n."""

    n: int
    values: dict[str, Rate]
    changes: dict[str, Rate]
    """Minus best of 1, paired by image."""
    relative: dict[str, Rate]
    """The same over best of 1."""
    drawn_tokens: float
    """Tokens generated a prompt."""
    scored_tokens: float
    """Answer tokens run a prompt to score them, by both models; each prompt is run besides."""
    score_seconds: float
    """Seconds a prompt that scoring took on this machine."""


class Curve(Record):
    """Points for n = 1, 2, 4, ... and the most."""

    normalise: float
    """The power of the length by which the reward was divided."""
    images: int
    prompts: int
    points: tuple[Point, ...]


def best(row: Sequence[Candidate], *, normalise: float) -> Candidate:
    """The candidate with the highest reward; an empty one only if all are."""
    return ordered(row, normalise=normalise)[0]


def ordered(row: Sequence[Candidate], *, normalise: float) -> list[Candidate]:
    """The candidates, the best first; of equal ones the earlier."""

    def reward(candidate: Candidate) -> tuple[bool, float]:
        return candidate.empty, -candidate.reward(normalise)

    return sorted(row, key=reward)


def weights(candidates: int, n: int) -> Floats:
    """How likely the r-th best of so many candidates is the best of n of them; they sum to 1."""
    ways = [comb(candidates - r, n - 1) for r in range(1, candidates + 1)]
    return np.array(ways, dtype=np.float64) / comb(candidates, n)


def divided(normalise: float) -> str:
    """By what a reward was divided, in words."""
    named = {0.0: "undivided", 1.0: "divided by length"}
    return named.get(normalise, f"divided by length to the power {normalise:g}")


def curve_of(rows: Sequence[Sequence[Candidate]], most: int, *, normalise: float) -> Curve:
    """The curve over prompts, each with `most` candidates or more."""
    sizes = sorted({*(2**i for i in range(most.bit_length())), most})
    every = [c for row in rows for c in row]
    known = [name for name in every[0].values if all(name in c.values for c in every)]
    columns = ["", "reward", *known]
    images = sorted({row[0].image for row in rows})
    place = {image: i for i, image in enumerate(images)}
    sums_NIC = np.zeros((len(sizes), len(images), len(columns)))
    for row in rows:
        table = [_values(c, columns, normalise) for c in ordered(row, normalise=normalise)]
        for i, n in enumerate(sizes):
            sums_NIC[i, place[row[0].image]] += weights(len(row), n) @ np.array(table)
    means = {name: sum(c.values[name] for c in every) / len(every) for name in known}
    first = _draws(sums_NIC[0], columns)
    points = [
        _point(n, _draws(sums_NIC[i], columns), first, means, len(images))
        for i, n in enumerate(sizes)
    ]
    return Curve(normalise=normalise, images=len(images), prompts=len(rows), points=tuple(points))


def _values(candidate: Candidate, columns: Sequence[str], normalise: float) -> list[float]:
    return [1.0, candidate.reward(normalise), *(candidate.values[name] for name in columns[2:])]


class _Drawn(NamedTuple):
    value: float
    draws_R: Floats


def _draws(sums_IC: Floats, columns: Sequence[str]) -> dict[str, _Drawn]:
    """Each quantity that the columns give, with its resamples."""
    drawn_RC = resamples(len(sums_IC)) @ sums_IC
    whole_1C = sums_IC.sum(0, keepdims=True)
    found: dict[str, _Drawn] = {}
    for each in QUANTITIES:
        if each.over not in columns or each.under not in columns:
            continue
        over, under = columns.index(each.over), columns.index(each.under)
        value = float(ratio(whole_1C[:, over], whole_1C[:, under])[0])
        if np.isfinite(value):
            found[each.name] = _Drawn(value, ratio(drawn_RC[:, over], drawn_RC[:, under]))
    return found


def _point(
    n: int,
    own: Mapping[str, _Drawn],
    first: Mapping[str, _Drawn],
    means: Mapping[str, float],
    images: int,
) -> Point:
    shares = {each.name: each.share for each in QUANTITIES}
    values: dict[str, Rate] = {}
    changes: dict[str, Rate] = {}
    relative: dict[str, Rate] = {}
    for name, (value, draws_R) in own.items():
        base = first[name]
        values[name] = _rate(draws_R, value, images, share=shares[name])
        if n == 1:
            continue
        changes[name] = _rate(draws_R - base.draws_R, value - base.value, images, share=False)
        if base.value > 0 and name != "reward":
            change_R = ratio(draws_R - base.draws_R, base.draws_R)
            relative[name] = _rate(change_R, value / base.value - 1, images, share=False)
    return Point(
        n=n,
        values=values,
        changes=changes,
        relative=relative,
        drawn_tokens=n * means["drawn"],
        scored_tokens=n * means["scored"],
        score_seconds=n * means["seconds"],
    )


def _rate(draws_R: Floats, value: float, images: int, *, share: bool) -> Rate:
    low, high = interval(draws_R, value, images=images, share=share)
    return Rate(value, max(0.0, low), min(1.0, high)) if share else Rate(value, low, high)
