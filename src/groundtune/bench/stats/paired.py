"""Two models on the same items: which items changed, and whether by more than chance.

A benchmark's headline is tested once per pair of models (`exchange.py`). Holm's correction covers
all headline tests of a comparison (`with_holm_correction`), and a headline has changed only if its
corrected p is at most 0.05.

A headline may have no value for one of the two (F1 of a model that never says yes). The first
quality metric with a value for both is then tested instead.

An item's *verdict* is its value in the headline's metric, or in another quality metric if the
headline has no values for single items (for F1: accuracy).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from groundtune.bench.metric import Floats, Metric
from groundtune.bench.stats.bootstrap import difference
from groundtune.bench.stats.exchange import Pairing, Test
from groundtune.bench.stats.power import smallest_effect
from groundtune.bench.stats.significance import PERMUTATIONS, holm, mcnemar
from groundtune.bench.stats.sums import SumTable, apply_to_sums, tabulate, value_of
from groundtune.records import Difference, Record, Score, is_clear


class Flip(Record):
    """An item whose verdict changed."""

    item: str
    image: str
    ours: float
    theirs: float
    better: bool


class HeadlineTest(Record):
    """A benchmark's headline for one model compared with another, and the changes of items."""

    model: str
    against: str
    benchmark: str
    """With part and decoding, as in `Estimate.benchmark`."""
    metric: str
    in_place_of: str = ""
    """The headline, if `metric` is tested instead."""
    missing_for: tuple[str, ...] = ()
    """The models for which the headline has no value."""
    better: Literal["lower", "higher", "neutral"]
    value: float
    """`model` minus `against`, with its 95% interval."""
    low: float
    high: float
    items: int
    images: int
    test: Test
    p: float
    """Two-sided, of this test alone."""
    p_holm: float
    """Holm-corrected for the `family` headline tests of the comparison."""
    family: int = 1
    smallest: float
    """The smallest difference that would be clear with a probability of 80% (`power.py`)."""
    verdict: str
    """The metric of the items' verdicts."""
    improved: int
    worsened: int
    unchanged: int
    """Items with the same verdict; items without a verdict are in none of the three."""
    mcnemar: float | None
    """McNemar's exact p of the verdicts, if they are right or wrong; items count as independent."""
    flips: tuple[Flip, ...]
    """The largest changes first."""

    @property
    def clear(self) -> bool:
        """Whether the interval excludes zero, and the corrected p is at most 0.05."""
        return is_clear(self.low, self.high, self.p_holm)

    @property
    def worse(self) -> bool:
        """Whether the headline is clearly worse."""
        return self.better != "neutral" and self.loss > 0 and self.clear

    @property
    def loss(self) -> float:
        """By how much the headline is worse; negative if it is better, 0 if neutral."""
        return {"lower": self.value, "higher": -self.value, "neutral": 0.0}[self.better]


class UntestedHeadline(Record):
    """A headline that could not be tested, and neither could another metric."""

    model: str
    against: str
    benchmark: str
    metric: str
    missing_for: tuple[str, ...]
    """The models for which it has no value."""


class TablePair(NamedTuple):
    """The sums of two models on the same items."""

    model: str
    against: str
    benchmark: str
    """With part and decoding."""
    ours: SumTable
    theirs: SumTable

    def missing_for(self, metric: Metric) -> tuple[str, ...]:
        """The models for which a metric has no value."""
        both = ((self.model, self.ours), (self.against, self.theirs))
        return tuple(name for name, table in both if value_of(table, metric) is None)


class ItemChanges(NamedTuple):
    """The changes of items, as in `HeadlineTest`."""

    verdict: str
    improved: int
    worsened: int
    unchanged: int
    flips: tuple[Flip, ...]
    right_or_wrong: bool = True


def headline_test(
    ours: Sequence[Score],
    theirs: Sequence[Score],
    metrics: Sequence[Metric],
    headline: str,
    *,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
) -> HeadlineTest | UntestedHeadline:
    """Test a benchmark's headline from two models' scores.

    `p_holm` is p: `with_holm_correction` sets it when all tests are known.

    Raises:
        UserError: the two have not answered the same items.
    """
    pair = TablePair(
        model=ours[0].model,
        against=theirs[0].model,
        benchmark=f"{ours[0].benchmark}/{ours[0].decoding}",
        ours=tabulate(ours),
        theirs=tabulate(theirs),
    )

    def changed(metric: Metric) -> ItemChanges:
        verdict, our_values, other = _verdicts(ours, theirs, metrics, metric)
        flips = _flips(ours, our_values, other, verdict)
        both = np.isfinite(our_values) & np.isfinite(other)
        right_or_wrong = _binary(our_values) and _binary(other)
        better = sum(flip.better for flip in flips)
        return ItemChanges(
            verdict=verdict.name,
            improved=better,
            worsened=len(flips) - better,
            unchanged=int(both.sum()) - len(flips),
            flips=flips,
            right_or_wrong=right_or_wrong,
        )

    return metric_test(pair, metrics, headline, changed, seed=seed, permutations=permutations)


def metric_test(
    pair: TablePair,
    metrics: Sequence[Metric],
    headline: str,
    changed: Callable[[Metric], ItemChanges],
    *,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
) -> HeadlineTest | UntestedHeadline:
    """Test the headline; `changed` returns a metric's changes of items.

    Raises:
        UserError: the two have not answered the same items.
    """
    first = next(metric_ for metric_ in metrics if metric_.name == headline)
    others = (
        metric_ for metric_ in metrics if metric_.role == "quality" and metric_.better != "neutral"
    )
    names = {"model": pair.model, "against": pair.against, "benchmark": pair.benchmark}
    tests = Pairing([(pair.ours, pair.theirs)], seed=seed, number=permutations)
    for metric in (first, *others):
        change = difference(pair.ours, pair.theirs, metric, seed=seed, pairing=tests, **names)
        if change is not None:
            break
    else:
        return UntestedHeadline(**names, metric=headline, missing_for=pair.missing_for(first))
    items = changed(metric)
    sign = mcnemar(items.improved, items.worsened)
    test_result = tests.test(metric)
    return HeadlineTest(
        **names,
        metric=metric.name,
        in_place_of="" if metric is first else headline,
        missing_for=pair.missing_for(first),
        better=metric.better,
        value=change.value,
        low=change.low,
        high=change.high,
        items=int(pair.ours.total("asked")),
        images=len(pair.ours.images),
        test=test_result.name,
        p=test_result.p,
        p_holm=test_result.p,
        family=1,
        smallest=smallest_effect(change.low, change.high),
        verdict=items.verdict,
        improved=items.improved,
        worsened=items.worsened,
        unchanged=items.unchanged,
        mcnemar=sign if items.right_or_wrong else None,
        flips=items.flips,
    )


def with_holm_correction(tests: Sequence[HeadlineTest]) -> list[HeadlineTest]:
    """The tests with Holm's correction over all of them, also of their smallest differences."""
    rows: list[HeadlineTest] = []
    for test, p in zip(tests, holm([test.p for test in tests]), strict=True):
        smallest = smallest_effect(test.low, test.high, len(tests))
        update = {"p_holm": p, "family": len(tests), "smallest": smallest}
        rows.append(test.model_copy(update=update))
    return rows


def as_measured(
    tests: Iterable[HeadlineTest], differences: Iterable[Difference]
) -> list[HeadlineTest]:
    """The tests with interval, p and correction of the matching differences."""
    headlines = {(d.model, d.benchmark, d.metric): d for d in differences if d.headline}
    rows: list[HeadlineTest] = []
    for test in tests:
        same = headlines.get((test.model, test.benchmark, test.metric))
        names = ("value", "low", "high", "p", "p_holm", "family")
        update = {name: getattr(same, name) for name in names} if same else {}
        rows.append(test.model_copy(update=update))
    return rows


def item_values(scores: Sequence[Score], metric: Metric) -> Floats:
    """A metric's value for each item (N,), NaN if it has none; in the scores' order."""
    columns = ["asked", "scored", "unparsed"]
    columns += sorted({name for score in scores for name in score.values})
    place = {name: i for i, name in enumerate(columns)}
    sums_NC = np.zeros((len(scores), len(columns)))
    for row, score in zip(sums_NC, scores, strict=True):
        row[0] = 1
        row[1 if score.status == "scored" else 2] = 1
        for name, value in score.values.items():
            row[place[name]] = value
    return apply_to_sums(metric, columns, sums_NC)


def _verdicts(
    ours: Sequence[Score], theirs: Sequence[Score], metrics: Sequence[Metric], headline: Metric
) -> tuple[Metric, Floats, Floats]:
    """The metric with values for the most items, preferring the headline, and its values (N,).

    Items are in the order of `ours`.
    """
    others = {score.item: score for score in theirs}
    other_scores = [others[score.item] for score in ours]
    candidates: dict[str, tuple[Metric, Floats, Floats]] = {}
    for metric in (headline, *(candidate for candidate in metrics if candidate.role == "quality")):
        if metric.name not in candidates and metric.better != "neutral":
            item_values_ = item_values(ours, metric), item_values(other_scores, metric)
            candidates[metric.name] = (metric, *item_values_)
    if not candidates:
        return headline, item_values(ours, headline), item_values(other_scores, headline)
    return max(
        candidates.values(),
        key=lambda candidate: int(np.isfinite(candidate[1] + candidate[2]).sum()),
    )


def _flips(
    scores: Sequence[Score], ours: Floats, theirs: Floats, metric: Metric
) -> tuple[Flip, ...]:
    change = np.where(np.isfinite(ours) & np.isfinite(theirs), ours - theirs, 0.0)
    order: list[int] = np.argsort(-np.abs(change), kind="stable").tolist()
    return tuple(
        Flip(
            item=scores[i].item,
            image=scores[i].image,
            ours=float(ours[i]),
            theirs=float(theirs[i]),
            better=bool((change[i] < 0) == (metric.better == "lower")),
        )
        for i in order
        if change[i] != 0
    )


def _binary(values: Floats) -> bool:
    finite = values[np.isfinite(values)]
    return bool(len(finite)) and bool(np.isin(finite, (0.0, 1.0)).all())
