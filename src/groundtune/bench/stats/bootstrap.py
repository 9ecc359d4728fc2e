"""Estimates and differences with 95% intervals from a bootstrap that resamples images.

Answers about one image are not independent, so an image's answers are drawn together (cluster
bootstrap: Efron and Tibshirani 1993, chapter 8). Percentile intervals of few images are too narrow,
so we use Hesterberg's expanded percentiles, which make the interval of a mean about as wide as
Student's (arXiv 1411.5279). Because a metric is computed from sums, a bootstrap is one product:
resampling counts (R, I) times sums per image (I, C), for R resamples, I images, C columns. Two
models are compared on the same resamples, which pairs them by image.

If each image has one item with value 0 or 1, answers are independent: the interval of such a rate
is Wilson's (`significance.wilson`), which also holds for few items and near 0 and 1. The interval
of a difference still comes from the bootstrap, which pairs the models. It excludes zero exactly if
the difference's test (`exchange.py`) has p <= 0.05: if the two disagree, the end near zero is
moved.

An interval of width zero (no event in any of I images) would claim too much: a share then gets the
bound 1 - 0.025^(1/I), the largest share that could have gone unseen (Clopper and Pearson 1934, at 0
of I). A single image therefore gives almost no information about a share, and an interval of width
zero for an unbounded mean.
"""

from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from groundtune.bench.metric import Floats, Metric, ratio
from groundtune.bench.stats.exchange import Pairing
from groundtune.bench.stats.significance import LEVEL, Interval, wilson
from groundtune.bench.stats.student import student_quantile
from groundtune.bench.stats.sums import SumTable, apply, is_binary, refuse_other_items, value_of
from groundtune.records import Difference, Estimate

RESAMPLES = 2000
AT_ONCE = 1 << 23
"""Maximum counts (64 MiB) for which all resamples are cached, to share them between tables."""
BLOCK = 1 << 20
"""Counts per block if there are more."""


@lru_cache(maxsize=4)
def resamples(images: int, seed: int = 0, number: int = RESAMPLES) -> Floats:
    """The count of each image in each resample, (number, images); fixed by the arguments."""
    return _counts(np.random.default_rng([seed, images]), images, number)


def resampled(table: SumTable, seed: int = 0) -> Floats:
    """The sums (R, C) of each resample of the table's images; computed once per table and seed."""
    if seed not in table.resampled:
        table.resampled[seed] = _resampled(table.sums_IC, seed)
    return table.resampled[seed]


def _resampled(sums_IC: Floats, seed: int) -> Floats:
    """Counts (R, I) times sums (I, C); for many images, the counts come in blocks of rows."""
    images = len(sums_IC)
    if not _are_many(images):
        return resamples(images, seed) @ sums_IC
    rng = np.random.default_rng([seed, images])
    rows = max(1, BLOCK // images)
    blocks = [
        _counts(rng, images, min(rows, RESAMPLES - first)) @ sums_IC
        for first in range(0, RESAMPLES, rows)
    ]
    return np.concatenate(blocks)


def _are_many(images: int) -> bool:
    return images * RESAMPLES > AT_ONCE


def _counts(rng: np.random.Generator, images: int, number: int) -> Floats:
    """The number of times each image is in each of the next resamples of a generator."""
    indices = rng.integers(images, size=(number, images)) + images * np.arange(number)[:, None]
    counts = np.bincount(indices.ravel(), minlength=number * images)
    return counts.reshape(number, images).astype(np.float64)


def interval(draws: Floats, value: float, *, images: int, share: bool) -> Interval:
    """The 95% interval of resampled values; NaN (an empty denominator) is ignored."""
    finite = draws[np.isfinite(draws)]
    tail = tail_of(images)
    low, high = (
        (value, value) if not finite.size else (_quantile(finite, q) for q in (tail, 1 - tail))
    )
    if share and high - low < 1e-12:
        bound = 1 - 0.025 ** (1 / images)
        low, high = value - bound, value + bound
    return Interval(float(low), float(high))


@lru_cache
def tail_of(images: int) -> float:
    """The share of resamples below a 95% interval: 0.025 of many images, 0.016 of 20, 0.009 of 10.

    Hesterberg 2015: as far out as Student's t, with a variance over n - 1.
    """
    if images < 2:
        return LEVEL / 2
    quantile = student_quantile(images - 1, 1 - LEVEL / 2)
    return NormalDist().cdf(-quantile * (images / (images - 1)) ** 0.5)


def _quantile(draws: Floats, share: float) -> float:
    """Like np.quantile, to the last digit, but without its import of numpy.ma."""
    place = (draws.size - 1) * share
    first = int(place)
    last = min(first + 1, draws.size - 1)
    low, high = np.partition(draws, (first, last))[[first, last]]
    after = place - first
    return low + (high - low) * after if after < 0.5 else high - (high - low) * (1 - after)


def estimate(
    table: SumTable,
    metric: Metric,
    *,
    model: str,
    benchmark: str,
    seed: int = 0,
    sums_RC: Floats | None = None,
) -> Estimate | None:
    """A metric with its interval; None if its denominator is 0.

    `sums_RC` is `resampled(table, seed)`, to share it between several metrics of one table.
    """
    value = value_of(table, metric)
    if value is None:
        return None
    rate = _items_of_rate(table, metric, value)
    if rate is None:
        draws = _draws(table, metric, seed) if sums_RC is None else apply(metric, table, sums_RC)
        low, high = interval(draws, value, images=len(table.images), share=metric.is_share)
    else:
        low, high = wilson(*rate)
    lower_bound, upper_bound = metric.bounds
    low = low if lower_bound is None else max(lower_bound, low)
    high = high if upper_bound is None else min(upper_bound, high)
    return Estimate(
        model=model,
        benchmark=benchmark,
        metric=metric.name,
        value=value,
        low=low,
        high=high,
        n=_answers(table, metric),
    )


def difference(
    table: SumTable,
    other: SumTable,
    metric: Metric,
    *,
    model: str,
    against: str,
    benchmark: str,
    seed: int = 0,
    pairing: Pairing | None = None,
) -> Difference | None:
    """A metric of one model minus that of another on the same items, paired by image.

    Each model's unparsed answers are left out of its sums only, so that the difference is that of
    the two estimates. `pairing` is that of the two tables, to share it between metrics.

    Raises:
        UserError: the two have not answered the same items.
    """
    return pooled_difference(
        [(table, other)],
        metric,
        model=model,
        against=against,
        benchmark=benchmark,
        seed=seed,
        pairing=pairing,
    )


def pooled_difference(
    runs: Sequence[tuple[SumTable, SumTable]],
    metric: Metric,
    *,
    model: str,
    against: str,
    benchmark: str,
    seed: int = 0,
    pairing: Pairing | None = None,
) -> Difference | None:
    """The mean over runs (seeds) of the difference, each of (model, against) on the same items.

    Images and runs are both resampled, so that the interval also covers other seeds; with few runs
    it has little information about how much seeds differ. The p-value is about images only, so the
    interval may include zero although p is small. `relative` is the mean difference over the mean
    of `against`. None if a denominator is 0.

    Raises:
        UserError: the tables have different items.
    """
    for table, other in runs:
        refuse_other_items(table, other)
        refuse_other_items(table, runs[0][0])
    values = [(value_of(table, metric), value_of(other, metric)) for table, other in runs]
    if any(a is None or b is None for a, b in values):
        return None
    ours, theirs = np.array(values, dtype=np.float64).mean(0)
    images = len(runs[0][0].images)
    mean_R = resamples(len(runs), seed + 1) / len(runs) if len(runs) > 1 else np.ones((1, 1))
    ours_R = (mean_R * np.stack([_draws(a, metric, seed) for a, _ in runs], -1)).sum(-1)
    theirs_R = (mean_R * np.stack([_draws(b, metric, seed) for _, b in runs], -1)).sum(-1)
    value = float(ours - theirs)
    low, high = interval(ours_R - theirs_R, value, images=images, share=metric.is_share)
    if metric.is_share:
        low, high = max(-1.0, low), min(1.0, high)
    test_result = (pairing or Pairing(runs, seed=seed)).test(metric)
    low, high = _in_agreement(Interval(low, high), value, test_result.p, may_narrow=len(runs) == 1)
    relative = _relative(float(ours), float(theirs), ours_R, theirs_R, images)
    return Difference(
        model=model,
        against=against,
        benchmark=benchmark,
        metric=metric.name,
        value=value,
        low=low,
        high=high,
        n=_answers(runs[0][0], metric),
        relative=relative[0] if relative else None,
        relative_low=relative[1] if relative else None,
        relative_high=relative[2] if relative else None,
        p=test_result.p,
        p_holm=test_result.p,
        test=test_result.name,
    )


def _in_agreement(
    bootstrap_interval: Interval, value: float, p: float, *, may_narrow: bool
) -> Interval:
    """The interval with zero outside if p <= 0.05, and inside otherwise."""
    low, high = bootstrap_interval
    if p > LEVEL:
        return Interval(min(low, 0.0), max(high, 0.0))
    if not may_narrow or not low <= 0 <= high:
        return bootstrap_interval
    nearest = 1e-9 * value
    return Interval(nearest, high) if value > 0 else Interval(low, nearest)


def _items_of_rate(table: SumTable, metric: Metric, value: float) -> tuple[int, int] | None:
    """(hits, items) of a plain rate: each image has one item, with value 0 or 1 or none.

    None for other metrics. A formula counts too if its value is the mean of the items' values.
    """
    if not metric.is_share or table.total("asked") != len(table.images):
        return None
    values_I = apply(metric, table, table.sums_IC)
    finite = values_I[np.isfinite(values_I)]
    hits = int((finite == 1).sum())
    plain = is_binary(finite) and abs(hits - value * finite.size) < 1e-6
    if metric.formula is None:
        plain = plain and is_binary(table.sums_IC @ table.weights(metric.denominator))
    return (hits, finite.size) if plain and finite.size else None


def _draws(table: SumTable, metric: Metric, seed: int) -> Floats:
    """The metric on each resample (R,)."""
    if metric.formula is not None or _are_many(len(table.images)):
        return apply(metric, table, resampled(table, seed))
    weights_RI = resamples(len(table.images), seed)
    both = np.stack([table.weights(metric.numerator), table.weights(metric.denominator)], -1)
    sums_R2 = weights_RI @ (table.sums_IC @ both)
    return ratio(sums_R2[:, 0], sums_R2[:, 1])


def _relative(
    ours: float, theirs: float, ours_R: Floats, theirs_R: Floats, images: int
) -> tuple[float, float, float] | None:
    if theirs == 0:
        return None
    draws = ratio(ours_R - theirs_R, theirs_R)
    low, high = interval(draws, (ours - theirs) / theirs, images=images, share=False)
    return (ours - theirs) / theirs, low, high


def _answers(table: SumTable, metric: Metric) -> int:
    """Number of answers on which a metric is based."""
    counts_all = metric.formula is not None or "asked" in metric.denominator
    return int(table.total("asked" if counts_all else "scored"))
