"""Means with intervals, where some values belong together."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from groundtune.bench.metric import Floats
from groundtune.bench.stats.bootstrap import interval, resamples


class Mean(NamedTuple):
    """A mean and its 95% interval."""

    value: float
    low: float
    high: float


def mean_interval(
    values: Floats | Sequence[float],
    groups: Sequence[str],
    *,
    share: bool = False,
    weights: Floats | Sequence[float] | None = None,
) -> Mean:
    """A mean, or the ratio of sums of `values` and `weights`; a group's values are drawn together.

    Raises:
        ValueError: there are no values.
    """
    if not len(values):
        raise ValueError("no values have no mean")
    names = {name: place for place, name in enumerate(dict.fromkeys(groups))}
    sums_G2 = np.zeros((len(names), 2))
    counted = np.ones(len(values)) if weights is None else weights
    for value, weight, group in zip(values, counted, groups, strict=True):
        sums_G2[names[group]] += (value, weight)
    mean = float(sums_G2[:, 0].sum() / sums_G2[:, 1].sum())
    draws = resamples(len(names)) @ sums_G2
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = interval(draws[:, 0] / draws[:, 1], mean, images=len(names), share=share)
    if share:
        low, high = max(0.0, low), min(1.0, high)
    return Mean(mean, float(low), float(high))
