"""Whether a model hallucinates less or only says less: two comparisons at equal length.

Truncated: both models' captions of an item are truncated to the same number of whole sentences, the
smaller of the two numbers, and scored again. So what one model says beyond the other's length does
not count against it.

Adjusted: over the items, the difference d in a value (invented or not) is regressed on the
difference w in words, d = a + b w, by least squares; the intercept a is the difference expected at
equal length, with an interval from resampled images. It assumes that d grows linearly in w, equally
for all items, and that differences in words are unrelated to how hard an item is; if one model is
always much shorter, a is an extrapolation. If all w are equal, a is the mean difference.
"""

from collections.abc import Sequence

import numpy as np

from groundtune.bench.item import Item, ItemAnswer
from groundtune.bench.metric import Metric
from groundtune.bench.stats.bootstrap import (
    Floats,
    difference,
    estimate,
    interval,
    ratio,
    resamples,
)
from groundtune.bench.stats.sums import tabulate
from groundtune.bench.world.captions import METRICS, score_caption
from groundtune.bench.world.images import find_scene
from groundtune.errors import UserError
from groundtune.records import Difference, Estimate, Prompt, Record, Score
from groundtune.world.grammar import sentences

CUT = "cut"
"""Suffix of a benchmark's name for its captions truncated to equal length."""
CUT_METRICS = ("chair_sentence", "chair_instance", "wrong_any", "recall", "words", "sentences")
ADJUSTED = {"invented": "chair_sentence_adjusted", "wrong": "wrong_any_adjusted"}
"""Name of the adjusted difference in each value."""


ADJUSTED_METRICS: tuple[Metric, ...] = (
    Metric(
        name="chair_sentence_adjusted",
        label="Answers with an invented object, adjusted for words",
        better="lower",
        explanation="The intercept of a regression on the difference in words.",
    ),
    Metric(
        name="wrong_any_adjusted",
        label="Answers with anything wrong, adjusted for words",
        better="lower",
        explanation="The intercept of a regression on the difference in words.",
    ),
)


class EqualLength(Record):
    """Two models' captions at equal length."""

    estimates: tuple[Estimate, ...]
    """Of the truncated captions, for both models."""
    differences: tuple[Difference, ...]
    """Of the truncated captions, then adjusted for words on the complete ones."""
    items: int
    """Items that both models have answered with words."""
    how: str = (
        "Both models' answers to an item are truncated to the same number of sentences, the "
        "smaller of the two, and scored again. Next to it: the difference at equal length by a "
        "linear regression of the difference in each item on its difference in words."
    )


def equal_length(ours: Sequence[Score], theirs: Sequence[Score], *, seed: int = 0) -> EqualLength:
    """Compare captions at equal length; both lists are of one benchmark and one decoding.

    Raises:
        UserError: there is no item that both have answered.
    """
    pairs = _pairs_of(ours, theirs)
    truncated_pairs = [truncate_equally(a, b) for a, b in pairs]
    scored_pairs = [(a, b) for a, b in truncated_pairs if a.status == b.status == "scored"]
    first, second = pairs[0]
    benchmark = f"{first.benchmark}/{first.decoding}"
    tables = (tabulate([a for a, _ in scored_pairs]), tabulate([b for _, b in scored_pairs]))
    estimates: list[Estimate] = []
    differences: list[Difference] = []
    for metric in _cut_metrics():
        for model, table in zip((first.model, second.model), tables, strict=True):
            metric_estimate = estimate(
                table, metric, model=model, benchmark=f"{benchmark}/{CUT}", seed=seed
            )
            estimates += [metric_estimate] if metric_estimate is not None else []
        change = difference(
            *tables,
            metric,
            model=first.model,
            against=second.model,
            benchmark=f"{benchmark}/{CUT}",
            seed=seed,
        )
        differences += [change] if change is not None else []
    differences += [adjusted_difference(pairs, value, benchmark, seed=seed) for value in ADJUSTED]
    return EqualLength(estimates=tuple(estimates), differences=tuple(differences), items=len(pairs))


def truncate_equally(ours: Score, theirs: Score) -> tuple[Score, Score]:
    """Truncate both captions of an item to the shorter one's sentences, and rescore them."""
    ends = [[end for _, end in sentences(score.answer)] for score in (ours, theirs)]
    number = min(len(sentence_ends) for sentence_ends in ends)
    texts = [
        score.answer[: sentence_ends[number - 1]] if number else ""
        for score, sentence_ends in zip((ours, theirs), ends, strict=True)
    ]
    return _rescore(ours, texts[0]), _rescore(theirs, texts[1])


def adjusted_difference(
    pairs: Sequence[tuple[Score, Score]], value: str, benchmark: str, *, seed: int = 0
) -> Difference:
    """The intercept of regressing the difference in a value on that in words, by image."""
    images = sorted({ours.image for ours, _ in pairs})
    row = {image: i for i, image in enumerate(images)}
    moments_I5 = np.zeros((len(images), 5))
    for ours, theirs in pairs:
        d = ours.values[value] - theirs.values[value]
        w = ours.values["words"] - theirs.values["words"]
        moments_I5[row[ours.image]] += (1, w, d, w * w, w * d)
    point = float(_intercept(moments_I5.sum(0)[None])[0])
    low, high = interval(
        _intercept(resamples(len(images), seed) @ moments_I5),
        point,
        images=len(images),
        share=False,
    )
    ours, theirs = pairs[0]
    return Difference(
        model=ours.model,
        against=theirs.model,
        benchmark=benchmark,
        metric=ADJUSTED[value],
        value=point,
        low=low,
        high=high,
        n=len(pairs),
    )


def _intercept(moments_R5: Floats) -> Floats:
    """The intercept of a least-squares line, from sums of 1, w, d, w^2 and wd."""
    n, w, d, ww, wd = moments_R5.T
    spread = n * ww - w * w
    slope = np.where(spread > 1e-9, ratio(n * wd - w * d, spread), 0.0)
    return ratio(d - slope * w, n)


def _pairs_of(ours: Sequence[Score], theirs: Sequence[Score]) -> list[tuple[Score, Score]]:
    """The scored captions of both, item by item."""
    others = {score.item: score for score in theirs if score.status == "scored"}
    pairs = [
        (score, others[score.item])
        for score in ours
        if score.status == "scored" and score.item in others
    ]
    if not pairs or {s.item for s in ours} != {s.item for s in theirs}:
        raise UserError(
            "Two models to compare at equal length have not answered the same items.",
            f"{len(ours)} and {len(theirs)} scores, {len(pairs)} in common",
            "Run both on the same split, number and seed.",
        )
    return pairs


def _rescore(score: Score, text: str) -> Score:
    item = Item(
        key=score.item,
        benchmark=score.benchmark,
        image=score.image,
        prompt=Prompt(key="cut", messages=()),
        strata=score.strata,
    )
    answer = ItemAnswer(text=text, model=score.model, decoding=score.decoding)
    return score_caption(find_scene(score.image), item, answer)


def _cut_metrics() -> list[Metric]:
    return [metric for metric in METRICS if metric.name in CUT_METRICS]
