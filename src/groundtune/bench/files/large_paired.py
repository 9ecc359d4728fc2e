"""Compares two models' answers to a large file of questions, like `paired.py` compares scores.

Sums are per group of images, and verdicts per answer (`large_items.py`), so there are no records of
scores. The headline has no value for a single answer (F1), so an answer's verdict is whether it is
right.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from groundtune.bench.files.large_items import (
    LargeCounts,
    LargeItems,
    count_items,
    scores_of,
    texts_of,
)
from groundtune.bench.metric import Metric
from groundtune.bench.stats.behaviour import Behaviour, behaviour_of_texts
from groundtune.bench.stats.paired import (
    Flip,
    HeadlineTest,
    ItemChanges,
    TablePair,
    UntestedHeadline,
    metric_test,
)
from groundtune.errors import UserError
from groundtune.records import Score

VERDICT = "accuracy"
"""The metric whose value is a single answer's verdict."""
LISTED = 500
"""Maximum number of listed changed answers of either kind, spread evenly over the file."""


class LargeModel(NamedTuple):
    """A model's items and their counts."""

    items: LargeItems
    counts: LargeCounts


def read(items: Sequence[LargeItems]) -> list[LargeModel]:
    """Count the items of each model.

    Raises:
        UserError: a file can't be read, or models to compare have different questions.
    """
    models = [LargeModel(model, count_items(model)) for model in items]
    first_models: dict[str, LargeModel] = {}
    for model in models:
        first = first_models.setdefault(model.items.name, model)
        ours, theirs = model.counts.table.items, first.counts.table.items
        if ours != theirs:
            raise UserError(
                f"Two models to compare have not answered the same questions: {min(ours)}, "
                f"and {min(theirs)}.",
                f"{model.items.path} against {first.items.path}",
                "Score both with the same question file.",
            )
    return models


def headline_test(
    ours: LargeModel,
    theirs: LargeModel,
    metrics: Sequence[Metric],
    headline: str,
    *,
    seed: int = 0,
) -> HeadlineTest | UntestedHeadline:
    """Test the headline; `images` counts groups of images."""
    pair = TablePair(
        model=ours.items.model,
        against=theirs.items.model,
        benchmark=ours.items.name,
        ours=ours.counts.table,
        theirs=theirs.counts.table,
    )

    def changed(_: Metric) -> ItemChanges:
        our_verdicts, other = ours.counts.verdicts_N, theirs.counts.verdicts_N
        both = (our_verdicts >= 0) & (other >= 0)
        gains, losses = (
            np.flatnonzero(both & (our_verdicts > other)),
            np.flatnonzero(both & (our_verdicts < other)),
        )
        return ItemChanges(
            verdict=VERDICT,
            improved=len(gains),
            worsened=len(losses),
            unchanged=int(both.sum()) - len(gains) - len(losses),
            flips=tuple(_flips(ours.items, gains, losses)),
        )

    return metric_test(pair, metrics, headline, changed, seed=seed)


def _flips(items: LargeItems, gains: NDArray[np.intp], losses: NDArray[np.intp]) -> list[Flip]:
    """A sample of both kinds, in the order of the file."""
    better = {int(row): True for row in _evenly(gains)} | {
        int(row): False for row in _evenly(losses)
    }
    scores = scores_of(items, sorted(better))
    return [
        Flip(item=score.item, image=score.image, ours=float(up), theirs=float(not up), better=up)
        for score, up in zip(scores, (better[row] for row in sorted(better)), strict=True)
    ]


def _evenly(rows: NDArray[np.intp]) -> list[int]:
    if len(rows) > LISTED:
        rows = rows[np.linspace(0, len(rows) - 1, LISTED).astype(np.intp)]
    return rows.tolist()


def scores_of_flips(items: LargeItems, flips: Sequence[Flip]) -> list[Score]:
    """A model's records of the answers that a test lists as changed, for a report."""
    return scores_of(items, [int(flip.item) - 1 for flip in flips])


def behaviour(items: LargeItems) -> Behaviour:
    """Behaviour of a model's answers, like `guards.behaviour` for scores."""
    unread = 0

    def texts() -> Iterator[tuple[str, int]]:
        nonlocal unread
        for answers, times_T, unread_here in texts_of(items):
            unread += unread_here
            yield from zip(answers, times_T.tolist(), strict=True)

    result = behaviour_of_texts(texts(), model=items.model, benchmark=items.name, unparsed=0)
    return result.model_copy(update={"unparsed": unread / result.n})
