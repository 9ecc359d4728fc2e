"""Best of N for N = 1, 2, 4, ...: averaged over every subset of N candidates.

Of K candidates per prompt, ordered by reward, the r-th is the best of C(K - r, N - 1) of the
C(K, N) subsets of size N. So each N is estimated from all K candidates without sampling subsets,
and N = 1 is their plain mean. Intervals resample images; a difference from
N = 1 is taken on the same resamples.

Shapes: I images, C columns, R resamples.
"""

from collections.abc import Mapping, Sequence
from math import comb
from typing import Any, NamedTuple

import numpy as np

from groundtune.bench.metric import Floats, Metric, ratio
from groundtune.bench.stats.bootstrap import interval, resamples
from groundtune.records import Record


class Candidate(NamedTuple):
    """An answer with its log-ratio and measured quantities."""

    answer: str
    image: str
    empty: bool
    total: float | None
    """Its reward, undivided; None where that is not a finite number."""
    tokens: int
    values: Mapping[str, float]

    def reward(self, normalise: float) -> float | None:
        """Return the reward divided by the tokens to this power."""
        return None if self.total is None else self.total / self.tokens**normalise


class Rate(NamedTuple):
    """A value and its 95% interval."""

    value: float
    low: float
    high: float


def _over(column: str, name: str, label: str, counted: str, **more: Any) -> Metric:
    return Metric(name=name, label=label, numerator={counted: 1}, denominator={column: 1}, **more)


def _over_prompts(name: str, label: str, column: str, **more: Any) -> Metric:
    return Metric(name=name, label=label, numerator={column: 1}, denominator={PROMPTS: 1}, **more)


PROMPTS = ""
"""The column that counts the prompts."""
METRICS = (
    _over_prompts("chair_sentence", "Answers with an invented object", "invented", better="lower"),
    Metric(
        name="chair_instance",
        label="Invented objects among all mentioned",
        numerator={"invented_mentions": 1},
        denominator={"mentions": 1},
        better="lower",
    ),
    _over_prompts("wrong_any", "Answers with anything wrong", "wrong", better="lower"),
    Metric(
        name="recall",
        label="Objects in the image that are named",
        numerator={"classes": 1},
        denominator={"truth_classes": 1},
        better="higher",
        role="cost",
    ),
    _over("checked", "rejected", "Answers with a rejected claim", "rejected", better="lower"),
    Metric(
        name="rejected_claims",
        label="Rejected claims among all checked",
        numerator={"rejected_claims": 1},
        denominator={"claims": 1},
        better="lower",
    ),
    _over_prompts("words", "Words per answer", "words", role="cost", unit="words", scale=1),
    _over("rewarded", "reward", "Reward", "reward", better="higher", unit="", scale=1, decimals=4),
)
"""Ratios over the chosen answers, as far as the candidates know them."""


class BestOfPoint(Record):
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


class BestOfCurve(Record):
    """Points for n = 1, 2, 4, ... and the most."""

    normalise: float
    """The power of the length by which the reward was divided."""
    images: int
    prompts: int
    points: tuple[BestOfPoint, ...]


def best(row: Sequence[Candidate], *, normalise: float) -> Candidate:
    """Return the candidate with the highest reward; an empty one only if all others are empty too.

    One without a reward is never chosen before one that has a reward.
    """
    return ordered(row, normalise=normalise)[0]


def ordered(row: Sequence[Candidate], *, normalise: float) -> list[Candidate]:
    """Return the candidates, best first; ties keep their order."""

    def place(candidate: Candidate) -> tuple[bool, bool, float]:
        reward = candidate.reward(normalise)
        return reward is None, candidate.empty, -(reward or 0.0)

    return sorted(row, key=place)


def weights(candidates: int, n: int) -> Floats:
    """Return p that the r-th best candidate is the best of n random ones; they sum to 1."""
    ways = [comb(candidates - r, n - 1) for r in range(1, candidates + 1)]
    return np.array(ways, dtype=np.float64) / comb(candidates, n)


def divided(normalise: float) -> str:
    """Return the divisor of a reward in words."""
    names = {0.0: "undivided", 1.0: "divided by length"}
    return names.get(normalise, f"divided by length to the power {normalise:g}")


def curve_of(rows: Sequence[Sequence[Candidate]], most: int, *, normalise: float) -> BestOfCurve:
    """Return the curve over prompts with at least `most` candidates each."""
    sizes = sorted({*(2**i for i in range(most.bit_length())), most})
    every = [c for row in rows for c in row]
    quantities = [name for name in every[0].values if all(name in c.values for c in every)]
    columns = [PROMPTS, "rewarded", "reward", *quantities]
    images = sorted({row[0].image for row in rows})
    place = {image: i for i, image in enumerate(images)}
    sums_NIC = np.zeros((len(sizes), len(images), len(columns)))
    for row in rows:
        table = [_values(c, columns, normalise) for c in ordered(row, normalise=normalise)]
        for i, n in enumerate(sizes):
            sums_NIC[i, place[row[0].image]] += weights(len(row), n) @ np.array(table)
    means = {name: sum(c.values[name] for c in every) / len(every) for name in quantities}
    first = _draws(sums_NIC[0], columns)
    points = [
        _point(n, _draws(sums_NIC[i], columns), first, means, len(images))
        for i, n in enumerate(sizes)
    ]
    return BestOfCurve(
        normalise=normalise, images=len(images), prompts=len(rows), points=tuple(points)
    )


def _values(candidate: Candidate, columns: Sequence[str], normalise: float) -> list[float]:
    reward = candidate.reward(normalise)
    quantities = (candidate.values[name] for name in columns[3:])
    return [1.0, float(reward is not None), reward or 0.0, *quantities]


class _CurvePoint(NamedTuple):
    value: float
    draws_R: Floats


def _draws(sums_IC: Floats, columns: Sequence[str]) -> dict[str, _CurvePoint]:
    """Return each quantity of the columns with its resamples."""
    drawn_RC = resamples(len(sums_IC)) @ sums_IC
    whole_1C = sums_IC.sum(0, keepdims=True)
    points: dict[str, _CurvePoint] = {}
    for each in METRICS:
        names = (*each.numerator, *each.denominator)
        if not set(names) <= set(columns):
            continue
        over, under = map(columns.index, names)
        value = float(ratio(whole_1C[:, over], whole_1C[:, under])[0])
        if np.isfinite(value):
            points[each.name] = _CurvePoint(value, ratio(drawn_RC[:, over], drawn_RC[:, under]))
    return points


def _point(
    n: int,
    quantities: Mapping[str, _CurvePoint],
    first: Mapping[str, _CurvePoint],
    means: Mapping[str, float],
    images: int,
) -> BestOfPoint:
    shares = {each.name: each.is_share for each in METRICS}
    values: dict[str, Rate] = {}
    changes: dict[str, Rate] = {}
    relative: dict[str, Rate] = {}
    for name, (value, draws_R) in quantities.items():
        base = first[name]
        values[name] = _rate(draws_R, value, images, share=shares[name])
        if n == 1:
            continue
        changes[name] = _rate(draws_R - base.draws_R, value - base.value, images, share=False)
        if base.value > 0 and name != "reward":
            change_R = ratio(draws_R - base.draws_R, base.draws_R)
            relative[name] = _rate(change_R, value / base.value - 1, images, share=False)
    return BestOfPoint(
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
