"""How often a reward puts the better answer first, with intervals, baselines and calibration.

Resamples prompts' images, since comparisons of answers about one image are not independent.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from pydantic import Field

from groundtune.bench.stats.bootstrap import interval, resamples
from groundtune.records import Record

BUCKETS = ("much shorter", "shorter", "same length", "longer", "much longer")
"""Of the better answer against the other, in words."""
MUCH = 5
"""Words from which a difference is much."""
BINS = 8
"""Of a calibration curve, with equally many comparisons."""


class Accuracy(Record):
    """A share with its 95% interval."""

    value: float
    low: float
    high: float
    n: int
    metric: str = "pair accuracy"
    chance: float = 0.5
    """What a guess reaches."""

    @property
    def at_chance(self) -> bool:
        """Whether a guess may be as good."""
        return not self.low > self.chance


class CalibrationPoint(Record):
    """Comparisons of similar predicted probability, and how often they are right."""

    predicted: float
    observed: Accuracy


class RewardAccuracy(Record):
    """A reward model on held-out comparisons."""

    accuracy: Accuracy
    buckets: dict[str, Accuracy]
    """By the better answer's length against the other's."""
    groups: dict[str, Accuracy] = Field(default_factory=dict[str, Accuracy])
    """By what the answers differ in, where annotators said which one hallucinates more."""
    baselines: dict[str, Accuracy]
    """Of rules that see no image: shorter or longer wins, as the learnt examples have it; and of
    claims, where they were checked."""
    baseline_buckets: dict[str, dict[str, Accuracy]] = Field(
        default_factory=dict[str, dict[str, Accuracy]]
    )
    """As `buckets`, of rules for which length doesn't say it all."""
    calibration: tuple[CalibrationPoint, ...] = ()
    learnt: int = 0
    left_out: dict[str, int] = Field(default_factory=dict[str, int])


class Margin(NamedTuple):
    """A comparison as a reward sees it."""

    image: str
    better: float
    worse: float
    words: int
    """Words of the better answer less those of the other."""
    differs: str = ""
    """In what the answers differ; "" if that is unknown."""


def accuracy(margins: Sequence[Margin]) -> Accuracy:
    """Return how often the better answer has the higher reward; equal rewards count half."""
    return share([(m.image, _right(m.better - m.worse)) for m in margins])


def share(hits: Sequence[tuple[str, float]]) -> Accuracy:
    """Return a mean of values in [0, 1], each of an image, with its cluster bootstrap interval."""
    images = list(dict.fromkeys(image for image, _ in hits))
    place = {image: number for number, image in enumerate(images)}
    sums_I2 = np.zeros((len(images), 2))
    for image, hit in hits:
        sums_I2[place[image]] += (hit, 1)
    value = float(sums_I2[:, 0].sum() / sums_I2[:, 1].sum())
    drawn_R2 = resamples(len(images)) @ sums_I2
    draws_R = drawn_R2[:, 0] / drawn_R2[:, 1]
    low, high = interval(draws_R, value, images=len(images), share=True)
    return Accuracy(value=value, low=max(0.0, low), high=min(1.0, high), n=len(hits))


def by_length(margins: Sequence[Margin]) -> dict[str, Accuracy]:
    """Return the accuracy per bucket of length difference; an empty bucket is absent."""
    groups: dict[str, list[Margin]] = {name: [] for name in BUCKETS}
    for margin in margins:
        groups[bucket_of(margin.words)].append(margin)
    return {name: accuracy(group) for name, group in groups.items() if group}


def by_difference(margins: Sequence[Margin]) -> dict[str, Accuracy]:
    """Return the accuracy by what the answers differ in; unknown differences are in no group."""
    names = sorted({margin.differs for margin in margins if margin.differs})
    return {name: accuracy([m for m in margins if m.differs == name]) for name in names}


def bucket_of(words: int) -> str:
    """Return the bucket of a difference in words."""
    if words == 0:
        return BUCKETS[2]
    much = abs(words) >= MUCH
    return BUCKETS[(0 if much else 1) if words < 0 else (4 if much else 3)]


def calibration(margins: Sequence[Margin]) -> tuple[CalibrationPoint, ...]:
    """Return observed against predicted shares, both from the view of the favoured answer."""
    favoured = sorted((abs(m.better - m.worse), m) for m in margins if m.better != m.worse)
    size = math.ceil(len(favoured) / BINS) or 1
    bins = [favoured[i : i + size] for i in range(0, len(favoured), size)]
    return tuple(
        CalibrationPoint(
            predicted=float(np.mean([1 / (1 + math.exp(-distance)) for distance, _ in points])),
            observed=accuracy([margin for _, margin in points]),
        )
        for points in bins
    )


def by_words(margins: Sequence[Margin], *, shorter_wins: bool) -> list[Margin]:
    """Return the comparisons as length alone sees them."""
    sign = -1.0 if shorter_wins else 1.0
    return [m._replace(better=sign * m.words, worse=0.0) for m in margins]


def _right(margin: float) -> float:
    return 0.5 if margin == 0 else float(margin > 0)


def summary(accuracies: Mapping[str, Accuracy]) -> dict[str, str]:
    """Return each accuracy as text with its interval."""
    return {
        name: f"{a.value:.1%} (95% CI {a.low:.1%} to {a.high:.1%}, n = {a.n})"
        for name, a in accuracies.items()
    }
