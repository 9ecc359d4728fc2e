"""The p-value of a difference between two models on the same items: McNemar or permutation.

If a metric is a share of right items and each image has one item, the test is McNemar's, exact.
Otherwise the models are exchanged image by image (`significance.Exchanges`), which also works for
F1, CHAIR and grades. Both are valid for few images: if the models were equal, p <= 0.05 would occur
in at most one of twenty comparisons.

Runs of several seeds are exchanged together, all answers about an image at once: the test is then
about images, not about seeds.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from groundtune.bench.metric import Floats, Metric
from groundtune.bench.stats.significance import PERMUTATIONS, Exchanges, mcnemar
from groundtune.bench.stats.sums import SumTable, apply, apply_to_sums, is_binary, spread

Test = Literal["McNemar, exact", "permutation by image"]


class TestResult(NamedTuple):
    """A two-sided p-value, and its test."""

    p: float
    name: Test


class Pairing:
    """Two models' sums on the same images, of one or several runs, to test several metrics."""

    def __init__(
        self,
        runs: Sequence[tuple[SumTable, SumTable]],
        *,
        seed: int = 0,
        number: int = PERMUTATIONS,
    ) -> None:
        self.runs = runs
        self.seed = seed
        self.number = number
        self._columns = sorted({name for pair in runs for table in pair for name in table.columns})

    def test(self, metric: Metric) -> TestResult:
        """Return the test of a metric's difference, or of its mean over the runs."""
        counts = self._one_sided_counts(metric)
        if counts is not None:
            return TestResult(mcnemar(*counts), "McNemar, exact")
        width = len(self._columns)

        def value(sums_RC: Floats) -> Floats:
            parts = (sums_RC[:, i : i + width] for i in range(0, sums_RC.shape[1], width))
            return np.mean([apply_to_sums(metric, self._columns, part) for part in parts], axis=0)

        return TestResult(self._exchanges.p(value), "permutation by image")

    @cached_property
    def _exchanges(self) -> Exchanges:
        ours, theirs = (
            np.hstack([spread(pair[i], self._columns) for pair in self.runs]) for i in (0, 1)
        )
        return Exchanges(ours, theirs, seed=self.seed, number=self.number)

    def _one_sided_counts(self, metric: Metric) -> tuple[int, int] | None:
        """Items that only the first or only the second model gets right; None for other metrics."""
        if len(self.runs) > 1:
            return None
        values: list[Floats] = []
        for table in self.runs[0]:
            values_I = apply(metric, table, table.sums_IC)
            single = table.total("asked") == len(table.images)
            if not single or not metric.is_share or not np.isfinite(values_I).all():
                return None
            values.append(values_I)
        ours_I, theirs_I = values
        if not is_binary(ours_I) or not is_binary(theirs_I):
            return None
        return int((ours_I > theirs_I).sum()), int((ours_I < theirs_I).sum())
