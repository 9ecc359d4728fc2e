"""Scores of several seeds pooled into one model's."""

from collections.abc import Sequence

from groundtune.bench.world.captions import NAME as CAPTIONS
from groundtune.bench.world.length import equal_length
from groundtune.pipeline.models.measure import BASE, with_seed
from groundtune.records import Score
from groundtune.report import model


def equal_over_seeds(
    some: Sequence[tuple[int, Sequence[Score], Sequence[Score]]], name: str
) -> model.LengthControl:
    """The same of (seed, a model's scores, its base's), under a name."""
    ours = [s for seed, tuned, _ in some for s in with_seed(greedy_captions(tuned), name, seed)]
    theirs = [s for seed, _, base in some for s in with_seed(greedy_captions(base), BASE, seed)]
    return length_control(ours, theirs)


def length_control(ours: Sequence[Score], theirs: Sequence[Score]) -> model.LengthControl:
    """Two models' captions at equal length, as a page shows it.

    Raises:
        UserError: the two have no item in common that both have answered.
    """
    equal = equal_length(ours, theirs)
    return model.LengthControl(
        how=equal.how, estimates=equal.estimates, differences=equal.differences
    )


def greedy_captions(scores: Sequence[Score], captions: str = CAPTIONS) -> list[Score]:
    """The greedy captions of usual scenes, by the name of their benchmark."""
    return [s for s in scores if (s.benchmark, s.decoding) == (captions, "greedy")]
