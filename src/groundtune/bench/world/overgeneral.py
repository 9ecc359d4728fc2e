"""RLHF-V's over-generalisation probe: is the usual object named where it is missing?

Yu et al. 2023, arXiv 2312.00849, section 4: in scenes of a kind, the share of answers that invent
one of the objects that are usual there, less the share over all scenes. Here each context's most
usual category, which the scenes of the strata "missing" and "replaced" lack:

    rate  = answers about such scenes that name it / answers about such scenes
    delta = rate - share of answers that name it over usual scenes of other kinds that lack it,
            weighted by how often each category is asked for in the stratum

A model that looks has a delta near 0 however often it invents. Departure: the paper's share over
all scenes includes those where the object is there and can't be invented.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from groundtune.bench.metric import Metric
from groundtune.bench.stats.bootstrap import Floats, interval, ratio, resamples
from groundtune.bench.world.captions import NAME as CAPTIONS
from groundtune.bench.world.captions import STRATA, invented
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
        label="The same, less how often it is named where it isn't usual",
        better="lower",
        range=(-1.0, 1.0),
        explanation="0 for a model that looks, however often it invents.",
    ),
)


def of_all_strata(scores: Sequence[Score]) -> list[Estimate]:
    """Rate and delta of each stratum, for every model and decoding of captions."""
    made: list[Estimate] = []
    for model, decoding in dict.fromkeys((score.model, score.decoding) for score in scores):
        own = [s for s in scores if (s.model, s.decoding) == (model, decoding)]
        usual = [s for s in own if s.benchmark == CAPTIONS]
        for stratum in STRATA:
            probe = [s for s in own if s.benchmark == f"{CAPTIONS}/{stratum}"]
            made += overgeneralisation(probe, usual)
    return made


class _Sums(NamedTuple):
    """By image and category: how often it could be invented, and was."""

    could_IC: Floats
    was_IC: Floats


def overgeneralisation(
    stratum: Sequence[Score], usual: Sequence[Score], *, seed: int = 0
) -> list[Estimate]:
    """Rate and delta of one model's captions under one decoding; empty where a side has no answer.

    `stratum` are the scores of scenes without their most usual category, `usual` those of usual
    ones.
    """
    probe = [score for score in stratum if score.status == "scored"]
    rest = [score for score in usual if score.status == "scored"]
    if not probe or not rest:
        return []
    categories = sorted(set(MOST_USUAL.values()))
    inside = _sums(probe, categories, own=True)
    outside = _sums(rest, categories, own=False)
    weights = [resamples(len(each.could_IC), seed + i) for i, each in enumerate((inside, outside))]
    rate, delta = _rate_and_delta(inside.could_IC.sum(0), inside.was_IC.sum(0), *_totals(outside))
    rates, deltas = _rate_and_delta(
        weights[0] @ inside.could_IC,
        weights[0] @ inside.was_IC,
        weights[1] @ outside.could_IC,
        weights[1] @ outside.was_IC,
    )
    images = len(inside.could_IC)
    name = f"{probe[0].benchmark}/{probe[0].decoding}"
    made: list[Estimate] = []
    for metric, value, draws in (
        ("overgeneral_rate", rate, rates),
        ("overgeneral_delta", delta, deltas),
    ):
        if not np.isfinite(value):  # no scene in which the category could have been invented
            continue
        low, high = interval(draws, float(value), images=images, share=True)
        made.append(
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
    return made


def _rate_and_delta(
    could_C: Floats, was_C: Floats, could_there_C: Floats, was_there_C: Floats
) -> tuple[Floats, Floats]:
    """Over the last axis; a category never missing elsewhere is left out of the baseline."""
    rate = ratio(was_C.sum(-1), could_C.sum(-1))
    elsewhere_C = ratio(was_there_C, could_there_C)
    known = np.isfinite(elsewhere_C)
    weighted = np.where(known, could_C * np.where(known, elsewhere_C, 0.0), 0.0).sum(-1)
    return rate, rate - ratio(weighted, np.where(known, could_C, 0.0).sum(-1))


def _totals(sums: _Sums) -> tuple[Floats, Floats]:
    return sums.could_IC.sum(0), sums.was_IC.sum(0)


def _sums(scores: Sequence[Score], categories: Sequence[str], *, own: bool) -> _Sums:
    """With `own`, of each scene's own most usual category; else of those of all other contexts."""
    images = sorted({score.image for score in scores})
    row = {image: i for i, image in enumerate(images)}
    column = {category: i for i, category in enumerate(categories)}
    could, was = np.zeros((2, len(images), len(categories)))
    for score in scores:
        scene = find_scene(score.image)
        mine = MOST_USUAL[scene.context]
        said = set(invented(score))
        asked = {mine} if own else set(categories) - {mine}
        for category in asked - scene.categories:
            could[row[score.image], column[category]] += 1
            was[row[score.image], column[category]] += category in said
    return _Sums(could, was)
