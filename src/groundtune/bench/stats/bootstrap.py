"""Estimates and differences with 95% intervals from a bootstrap that resamples images.

Answers about one image are not independent, so an image's answers are drawn or left out
together (cluster bootstrap, percentile intervals: Efron and Tibshirani 1993, chapters 8 and 13).
Because a metric is made of sums, a bootstrap is one product: resampling counts (R, I) times sums an
image (I, C), for R resamples, I images, C columns. Two models are compared on the same resamples,
which pairs them by image.

Where each image has one item, and that counts 0 or 1, nothing is left to draw together: the
interval of such a rate is Wilson's (`significance.wilson`), which also holds of few items and near
0 and 1. That of a difference is the bootstrap's all the same, which pairs the models.

An interval of width zero (nothing happened in any of I images) would claim too much: a share then
gets the bound 1 - 0.025^(1/I), below which a kind of image may lie that was never drawn (Clopper
and Pearson 1934, at 0 of I). One image alone therefore gives nearly no information about a share,
and no interval at all (its width is zero) about a mean without bounds.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from groundtune.bench.metric import Floats, Metric, ratio
from groundtune.bench.stats.significance import Interval, wilson
from groundtune.errors import UserError
from groundtune.records import Difference, Estimate, Score

RESAMPLES = 2000
ALWAYS = ("asked", "scored", "unparsed")


@dataclass(frozen=True, slots=True, kw_only=True)
class SumTable:
    """Sums an image of the scores of one model, benchmark and decoding."""

    images: tuple[str, ...]
    """Sorted."""
    columns: tuple[str, ...]
    sums_IC: Floats
    items: frozenset[str]
    where: str
    """"model, benchmark, decoding", for errors."""

    def weights(self, wanted: dict[str, float]) -> Floats:
        """The columns' weights (C,); a name that no score has counts nothing."""
        return np.array([float(wanted.get(name, 0.0)) for name in self.columns])

    def total(self, name: str) -> float:
        """Sum of a column over all images."""
        return float(self.sums_IC[:, self.columns.index(name)].sum())


def tabulate(scores: Sequence[Score]) -> SumTable:
    """The sums an image of scores of one model, benchmark and decoding.

    Raises:
        UserError: an item is there twice.
        ValueError: there are none.
    """
    if not scores:
        raise ValueError("no scores to tabulate")
    where = f"{scores[0].model}, {scores[0].benchmark}, {scores[0].decoding}"
    images = sorted({score.image for score in scores})
    columns = [*ALWAYS, *sorted({name for score in scores for name in score.values})]
    row = {image: i for i, image in enumerate(images)}
    column = {name: i for i, name in enumerate(columns)}
    sums_IC = np.zeros((len(images), len(columns)))
    for score in scores:
        here = sums_IC[row[score.image]]
        here[0] += 1
        here[1 if score.status == "scored" else 2] += 1
        for name, value in score.values.items():
            here[column[name]] += value
    items = frozenset(score.item for score in scores)
    if len(items) != len(scores):
        raise UserError(
            f"{len(scores) - len(items)} items were answered more than once.",
            where,
            "Score one answer an item, model and decoding.",
        )
    return SumTable(
        images=tuple(images),
        columns=tuple(columns),
        sums_IC=sums_IC,
        items=items,
        where=where,
    )


@lru_cache(maxsize=4)
def resamples(images: int, seed: int = 0, number: int = RESAMPLES) -> Floats:
    """How often each image is in each resample, (number, images); fixed by the arguments."""
    rng = np.random.default_rng([seed, images])
    drawn = rng.integers(images, size=(number, images)) + images * np.arange(number)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=number * images)
    return counts.reshape(number, images).astype(np.float64)


def resampled(table: SumTable, seed: int = 0) -> Floats:
    """The sums (R, C) of each resample of the table's images."""
    return resamples(len(table.images), seed) @ table.sums_IC


def interval(draws: Floats, value: float, *, images: int, share: bool) -> Interval:
    """The 95% percentile interval of resampled values; NaN (an empty denominator) is left out."""
    kept = draws[np.isfinite(draws)]
    low, high = (value, value) if not kept.size else (_quantile(kept, q) for q in (0.025, 0.975))
    if share and high - low < 1e-12:
        bound = 1 - 0.025 ** (1 / images)
        low, high = value - bound, value + bound
    return Interval(float(low), float(high))


def _quantile(draws: Floats, share: float) -> float:
    """As np.quantile gives it, to the last digit, but for its import of numpy.ma."""
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
    """A metric with its interval; None where its denominator is 0.

    `sums_RC` is `resampled(table, seed)`, to share it between several metrics of one table.
    """
    value = value_of(table, metric)
    if value is None:
        return None
    rate = _items_of_rate(table, metric, value)
    if rate is None:
        draws = _draws(table, metric, seed) if sums_RC is None else _apply(metric, table, sums_RC)
        low, high = interval(draws, value, images=len(table.images), share=metric.is_share)
    else:
        low, high = wilson(*rate)
    least, most = metric.bounds
    low = low if least is None else max(least, low)
    high = high if most is None else min(most, high)
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
) -> Difference | None:
    """A metric of one model minus that of another on the same items, paired by image.

    Each model's unparsed answers are left out of its own sums only, so that the difference is
    that of the two estimates.

    Raises:
        UserError: the two have not answered the same items.
    """
    return pooled_difference(
        [(table, other)], metric, model=model, against=against, benchmark=benchmark, seed=seed
    )


def pooled_difference(
    runs: Sequence[tuple[SumTable, SumTable]],
    metric: Metric,
    *,
    model: str,
    against: str,
    benchmark: str,
    seed: int = 0,
) -> Difference | None:
    """The mean over runs (seeds) of the difference, each of (model, against) on the same items.

    Images and runs are both resampled, so that the interval speaks of another seed too; with few
    runs it still knows little of how much seeds differ. `relative` is the mean difference over
    the mean of `against`. None where a denominator is 0.

    Raises:
        UserError: the tables don't hold the same items.
    """
    for table, other in runs:
        _refuse_other_items(table, other)
        _refuse_other_items(table, runs[0][0])
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
    relative = _relative(float(ours), float(theirs), ours_R, theirs_R)
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
    )


def group(scores: Iterable[Score]) -> dict[tuple[str, str, str], list[Score]]:
    """Scores by (model, benchmark, decoding), in order of appearance."""
    groups: dict[tuple[str, str, str], list[Score]] = {}
    for score in scores:
        groups.setdefault((score.model, score.benchmark, score.decoding), []).append(score)
    return groups


class Sums(Mapping[str, Floats]):
    """Sums (R,) by column, as a formula reads them; 0 for a column that no score has."""

    def __init__(self, columns: Sequence[str], sums_RC: Floats) -> None:
        self._place = {name: i for i, name in enumerate(columns)}
        self._sums_RC = sums_RC

    def __getitem__(self, name: str) -> Floats:
        place = self._place.get(name)
        return np.zeros(len(self._sums_RC)) if place is None else self._sums_RC[:, place]

    def __iter__(self) -> Iterator[str]:
        return iter(self._place)

    def __len__(self) -> int:
        return len(self._place)


def value_of(table: SumTable, metric: Metric) -> float | None:
    """A metric without its interval; None where there is none (a denominator of 0)."""
    sums_1C = table.sums_IC.sum(0, keepdims=True)
    value = float(_apply(metric, table, sums_1C)[0])
    return value if np.isfinite(value) else None


def _apply(metric: Metric, table: SumTable, sums_RC: Floats) -> Floats:
    """The metric on each row of sums (R,); NaN where there is none."""
    if metric.formula is not None:
        return metric.formula(Sums(table.columns, sums_RC))
    over = sums_RC @ table.weights(metric.numerator)
    return ratio(over, sums_RC @ table.weights(metric.denominator))


def _items_of_rate(table: SumTable, metric: Metric, value: float) -> tuple[int, int] | None:
    """(hits, items) of a plain rate: each image has one item, which is 0, 1 or in no denominator.

    None of other metrics. A formula is one too where its value is the mean of the items' own.
    """
    if not metric.is_share or table.total("asked") != len(table.images):
        return None
    values_I = _apply(metric, table, table.sums_IC)
    known = values_I[np.isfinite(values_I)]
    hits = int((known == 1).sum())
    plain = _binary(known) and abs(hits - value * known.size) < 1e-6
    if metric.formula is None:
        plain = plain and _binary(table.sums_IC @ table.weights(metric.denominator))
    return (hits, known.size) if plain and known.size else None


def _binary(values: Floats) -> bool:
    return bool(np.isin(values, (0.0, 1.0)).all())


def _draws(table: SumTable, metric: Metric, seed: int) -> Floats:
    """The metric on each resample (R,)."""
    if metric.formula is not None:
        return _apply(metric, table, resampled(table, seed))
    weights_RI = resamples(len(table.images), seed)
    both = np.stack([table.weights(metric.numerator), table.weights(metric.denominator)], -1)
    sums_R2 = weights_RI @ (table.sums_IC @ both)
    return ratio(sums_R2[:, 0], sums_R2[:, 1])


def _relative(
    ours: float, theirs: float, ours_R: Floats, theirs_R: Floats
) -> tuple[float, float, float] | None:
    if theirs == 0:
        return None
    draws = ratio(ours_R - theirs_R, theirs_R)
    low, high = interval(draws, (ours - theirs) / theirs, images=1, share=False)
    return (ours - theirs) / theirs, low, high


def _answers(table: SumTable, metric: Metric) -> int:
    """How many answers a metric rests on."""
    asked = metric.formula is not None or "asked" in metric.denominator
    return int(table.total("asked" if asked else "scored"))


def _refuse_other_items(table: SumTable, other: SumTable) -> None:
    if table.items == other.items and table.images == other.images:
        return
    alone = sorted(table.items ^ other.items)
    raise UserError(
        f"Two models that are compared have not answered the same items: {len(alone)} differ"
        f"{' (' + alone[0] + ')' if alone else ''}.",
        f"{table.where} against {other.where}",
        "Run both on the same split, number and seed.",
    )
