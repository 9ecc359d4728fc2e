"""RLHF-V's over-generalisation probe: is the usual object named although it is missing?

Yu et al. 2023, arXiv 2312.00849, section 4: in scenes of a kind, the share of answers that invent
one of its usual objects, minus the share over all scenes. Here: each context's most usual category,
which the scenes of the strata "missing" and "replaced" lack:

    rate  = answers about such scenes that name it / answers about such scenes
    delta = rate - share of answers that name it over usual scenes of other kinds that lack it,
            weighted by how often each category is asked for in the stratum

A model that looks has a delta near 0, even if it invents often. Departure: the paper's share over
all scenes includes those with the object, where it can't be invented.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from groundtune.bench.metric import Metric
from groundtune.bench.stats.bootstrap import Floats, interval, ratio, resamples
from groundtune.bench.world.captions import NAME as CAPTIONS
from groundtune.bench.world.captions import STRATA, invented_categories
from groundtune.bench.world.images import find_scene
from groundtune.records import Estimate, Score
from groundtune.world.catalogue import CONTEXTS

MOST_USUAL: dict[str, str] = {
    name: max(context.prior, key=lambda category: context.prior[category])
    for name, context in CONTEXTS.items()
}
"""The category with the largest prior of each context."""


METRICS: tuple[Metric, ...] = (
    Metric(
        name="overgeneral_rate",
        label="Answers that name the most usual object where it is missing",
        better="lower",
        explanation="RLHF-V's over-generalisation probe.",
    ),
    Metric(
        name="overgeneral_delta",
        label="The same, minus how often it is named where it isn't usual",
        better="lower",
        range=(-1.0, 1.0),
        explanation="0 for a model that looks, even if it invents often.",
    ),
)


def of_all_strata(scores: Sequence[Score]) -> list[Estimate]:
    """Rate and delta of each stratum, for every model and decoding of captions."""
    estimates: list[Estimate] = []
    for model, decoding in dict.fromkeys((score.model, score.decoding) for score in scores):
        model_scores = [s for s in scores if (s.model, s.decoding) == (model, decoding)]
        usual = [s for s in model_scores if s.benchmark == CAPTIONS]
        for stratum in STRATA:
            probe = [s for s in model_scores if s.benchmark == f"{CAPTIONS}/{stratum}"]
            estimates += overgeneralisation(probe, usual)
    return estimates


class _Sums(NamedTuple):
    """By image and category: how often it could be, and was, invented."""

    possible_IC: Floats
    invented_IC: Floats


def overgeneralisation(
    stratum: Sequence[Score], usual: Sequence[Score], *, seed: int = 0
) -> list[Estimate]:
    """Rate and delta of one model's captions under one decoding; [] if a side has no answer.

    `stratum` are the scores of scenes without their most usual category, `usual` those of usual
    ones.
    """
    probe = [score for score in stratum if score.status == "scored"]
    rest = [score for score in usual if score.status == "scored"]
    if not probe or not rest:
        return []
    categories = sorted(set(MOST_USUAL.values()))
    inside = _sums(probe, categories, own_context=True)
    outside = _sums(rest, categories, own_context=False)
    weights = [
        resamples(len(sums.possible_IC), seed + i) for i, sums in enumerate((inside, outside))
    ]
    rate, delta = _rate_and_delta(
        inside.possible_IC.sum(0), inside.invented_IC.sum(0), *_totals(outside)
    )
    rates, deltas = _rate_and_delta(
        weights[0] @ inside.possible_IC,
        weights[0] @ inside.invented_IC,
        weights[1] @ outside.possible_IC,
        weights[1] @ outside.invented_IC,
    )
    images = len(inside.possible_IC)
    name = f"{probe[0].benchmark}/{probe[0].decoding}"
    estimates: list[Estimate] = []
    for metric, value, draws in (
        ("overgeneral_rate", rate, rates),
        ("overgeneral_delta", delta, deltas),
    ):
        if not np.isfinite(value):  # no scene in which the category could have been invented
            continue
        low, high = interval(draws, float(value), images=images, share=True)
        estimates.append(
            Estimate(
                model=probe[0].model,
                benchmark=name,
                metric=metric,
                value=float(value),
                low=max(0.0 if metric == "overgeneral_rate" else -1.0, low),
                high=min(1.0, high),
                n=len(probe),
            )
        )
    return estimates


def _rate_and_delta(
    could_C: Floats, was_C: Floats, could_there_C: Floats, was_there_C: Floats
) -> tuple[Floats, Floats]:
    """Over the last axis; a category never missing elsewhere is not in the baseline."""
    rate = ratio(was_C.sum(-1), could_C.sum(-1))
    elsewhere_C = ratio(was_there_C, could_there_C)
    is_known = np.isfinite(elsewhere_C)
    baseline = np.where(is_known, could_C * np.where(is_known, elsewhere_C, 0.0), 0.0).sum(-1)
    return rate, rate - ratio(baseline, np.where(is_known, could_C, 0.0).sum(-1))


def _totals(sums: _Sums) -> tuple[Floats, Floats]:
    return sums.possible_IC.sum(0), sums.invented_IC.sum(0)


def _sums(scores: Sequence[Score], categories: Sequence[str], *, own_context: bool) -> _Sums:
    """Count each scene's own most usual category; without `own_context`, other contexts' ones."""
    images = sorted({score.image for score in scores})
    row = {image: i for i, image in enumerate(images)}
    column = {category: i for i, category in enumerate(categories)}
    possible, invented = np.zeros((2, len(images), len(categories)))
    for score in scores:
        scene = find_scene(score.image)
        usual = MOST_USUAL[scene.context]
        invented_names = set(invented_categories(score))
        candidates = {usual} if own_context else set(categories) - {usual}
        for category in candidates - scene.categories:
            possible[row[score.image], column[category]] += 1
            invented[row[score.image], column[category]] += category in invented_names
    return _Sums(possible, invented)
