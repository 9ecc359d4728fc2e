"""Two models' answers to a large file of questions, compared as `paired.py` compares scores.

Sums are of groups of images and verdicts of single answers (`large_items.py`), so that there are
no records of scores. The headline has no value of a single answer (F1): an answer's verdict is
whether it is right.
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
"""The metric of a single answer's verdict."""
LISTED = 500
"""Changed answers of either kind that are listed, evenly over the file."""


class LargeModel(NamedTuple):
    """A model's items, and what was counted of them."""

    items: LargeItems
    counts: LargeCounts


def read(items: Sequence[LargeItems]) -> list[LargeModel]:
    """Counts each.

    Raises:
        UserError: a file can't be read, or two that are compared are of other questions.
    """
    found = [LargeModel(each, count_items(each)) for each in items]
    asked: dict[str, LargeModel] = {}
    for each in found:
        first = asked.setdefault(each.items.name, each)
        ours, theirs = each.counts.table.items, first.counts.table.items
        if ours != theirs:
            raise UserError(
                f"Two models that are compared have not answered the same questions: {min(ours)}, "
                f"and {min(theirs)}.",
                f"{each.items.path} against {first.items.path}",
                "Score both with the same question file.",
            )
    return found


def headline_test(
    ours: LargeModel,
    theirs: LargeModel,
    metrics: Sequence[Metric],
    headline: str,
    *,
    seed: int = 0,
) -> HeadlineTest | UntestedHeadline:
    """The headline's test; `images` counts groups of images."""
    pair = TablePair(
        model=ours.items.model,
        against=theirs.items.model,
        benchmark=ours.items.name,
        ours=ours.counts.table,
        theirs=theirs.counts.table,
    )

    def changed(_: Metric) -> ItemChanges:
        mine, other = ours.counts.verdicts_N, theirs.counts.verdicts_N
        both = (mine >= 0) & (other >= 0)
        gained, lost = np.flatnonzero(both & (mine > other)), np.flatnonzero(both & (mine < other))
        return ItemChanges(
            verdict=VERDICT,
            improved=len(gained),
            worsened=len(lost),
            unchanged=int(both.sum()) - len(gained) - len(lost),
            flips=tuple(_flips(ours.items, gained, lost)),
        )

    return metric_test(pair, metrics, headline, changed, seed=seed)


def _flips(items: LargeItems, gained: NDArray[np.intp], lost: NDArray[np.intp]) -> list[Flip]:
    """Some of both kinds, in the order of the file."""
    better = {int(row): True for row in _evenly(gained)} | {
        int(row): False for row in _evenly(lost)
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
    """How a model's answers are, as `guards.behaviour` tells it of scores."""
    unread = 0

    def texts() -> Iterator[tuple[str, int]]:
        nonlocal unread
        for said, times_T, lost in texts_of(items):
            unread += lost
            yield from zip(said, times_T.tolist(), strict=True)

    made = behaviour_of_texts(texts(), model=items.model, benchmark=items.name, unparsed=0)
    return made.model_copy(update={"unparsed": unread / made.n})
