"""Whether a model hallucinates less or only says less: two comparisons at equal length.

Cut: both models' captions of an item are cut to the same number of whole sentences, the smaller
of the two numbers, and scored again. What one model says beyond the other's length is not held
against it.

Adjusted: over the items, the difference d in a value (invented or not) is regressed on the
difference w in words, d = a + b w, by least squares; the intercept a is the difference expected
at equal length, with an interval from resampled images. It assumes that d grows linearly in w,
alike for all items, and that the words of an item differ for reasons that have nothing to do with
how hard it is; where one model is always much shorter, a is an extrapolation. Where all w are
equal, a is the mean difference.
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
"""What is added to a benchmark's name for its captions cut to equal length."""
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
    """Of the cut captions, both models."""
    differences: tuple[Difference, ...]
    """Of the cut captions, and then adjusted for words on the whole ones."""
    items: int
    """Items that both models have answered with words."""
    how: str = (
        "Both models' answers of an item are cut to the same number of whole sentences, the "
        "smaller of the two, and scored again. Beside it, the difference at equal length by a "
        "linear regression of the difference in each item on its difference in words."
    )


def equal_length(ours: Sequence[Score], theirs: Sequence[Score], *, seed: int = 0) -> EqualLength:
    """Compares captions at equal length; both lists hold one benchmark and one decoding.

    Raises:
        UserError: the two have no item in common that both have answered.
    """
    pairs = _paired(ours, theirs)
    cut = [cut_alike(a, b) for a, b in pairs]
    kept = [(a, b) for a, b in cut if a.status == b.status == "scored"]
    first, second = pairs[0]
    benchmark = f"{first.benchmark}/{first.decoding}"
    tables = (tabulate([a for a, _ in kept]), tabulate([b for _, b in kept]))
    estimates: list[Estimate] = []
    differences: list[Difference] = []
    for metric in _cut_metrics():
        for model, table in zip((first.model, second.model), tables, strict=True):
            made = estimate(table, metric, model=model, benchmark=f"{benchmark}/{CUT}", seed=seed)
            estimates += [made] if made is not None else []
        change = difference(
            *tables,
            metric,
            model=first.model,
            against=second.model,
            benchmark=f"{benchmark}/{CUT}",
            seed=seed,
        )
        differences += [change] if change is not None else []
    differences += [adjusted(pairs, value, benchmark, seed=seed) for value in ADJUSTED]
    return EqualLength(estimates=tuple(estimates), differences=tuple(differences), items=len(pairs))


def cut_alike(ours: Score, theirs: Score) -> tuple[Score, Score]:
    """Both captions of an item cut to as many whole sentences as the shorter one has, rescored."""
    ends = [[end for _, end in sentences(score.answer)] for score in (ours, theirs)]
    number = min(len(each) for each in ends)
    cut = [
        score.answer[: each[number - 1]] if number else ""
        for score, each in zip((ours, theirs), ends, strict=True)
    ]
    return _rescored(ours, cut[0]), _rescored(theirs, cut[1])


def adjusted(
    pairs: Sequence[tuple[Score, Score]], value: str, benchmark: str, *, seed: int = 0
) -> Difference:
    """The intercept of the regression of the difference in a value on that in words, by image."""
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
    """Of a least-squares line, from sums of 1, w, d, w^2 and wd."""
    n, w, d, ww, wd = moments_R5.T
    spread = n * ww - w * w
    slope = np.where(spread > 1e-9, ratio(n * wd - w * d, spread), 0.0)
    return ratio(d - slope * w, n)


def _paired(ours: Sequence[Score], theirs: Sequence[Score]) -> list[tuple[Score, Score]]:
    """The scored captions of both, item by item."""
    others = {score.item: score for score in theirs if score.status == "scored"}
    pairs = [
        (score, others[score.item])
        for score in ours
        if score.status == "scored" and score.item in others
    ]
    if not pairs or {s.item for s in ours} != {s.item for s in theirs}:
        raise UserError(
            "Two models that are compared at equal length have not answered the same items.",
            f"{len(ours)} and {len(theirs)} scores, {len(pairs)} in common",
            "Run both on the same split, number and seed.",
        )
    return pairs


def _rescored(score: Score, text: str) -> Score:
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
