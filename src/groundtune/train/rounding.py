"""Measure how much of the trained margin merged weights lose when they are rounded to a dtype.

A rounded sum of a weight and a small update often equals the weight. The loss is measured on the
run's pairs, in float32: with arithmetic in the rounded dtype, exact weights would be rounded too.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from groundtune.engine.logprobs import TokenLogProbs
from groundtune.methods.pairwise import Pairwise
from groundtune.train.batches import MicroBatch, PassLimits, batches, plan_micro_batches, rows_of
from groundtune.train.rows import TrainingPairs, TrainingRow
from groundtune.vlm.load import Vlm
from groundtune.vlm.merged import merged

MEASURED = 512
"""Pairs that are measured if a run has more."""


class Margins(NamedTuple):
    """Mean margins over the measured pairs (methods/pairwise.py), in nats."""

    pairs: int
    base: float
    """Of the base model: 0 for methods with a reference."""
    exact: float
    """Of the merged weights in float32."""
    rounded: float
    """Of the merged weights after rounding."""

    @property
    def lost(self) -> float:
        """Return the change by rounding as a share of the change by training."""
        change = abs(self.rounded - self.exact)
        trained = abs(self.exact - self.base)
        if trained:
            return change / trained
        return 0.0 if change == 0 else float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundingTest:
    """The pairs to measure and how to run them."""

    pairs: TrainingPairs
    method: Pairwise
    score: TokenLogProbs
    limits: PassLimits
    seed: int

    def run(self, adapted: Vlm, dtype: torch.dtype) -> tuple[Vlm, Margins]:
        """Merge a float32 model with an adapter; return it rounded to `dtype`, and the margins."""
        count = min(MEASURED, sum(map(len, self.pairs.groups)))
        batch = next(batches(self.pairs.groups, count, self.seed))
        planned = rows_of(batch, self.pairs.group_of, self.pairs.tokens, self.limits.tokens)
        passes = [each for [each] in plan_micro_batches(planned, self.limits)]
        base = self._base(adapted, passes)
        pairs = replace(self.pairs, references=base)
        before = self._margin(adapted, pairs, passes, adapted.model.disable_adapter)
        whole = merged(adapted)
        exact = self._margin(whole, pairs, passes)
        whole.model.to(dtype).to(torch.float32)
        rounded = self._margin(whole, pairs, passes)
        return (
            replace(whole, model=whole.model.to(dtype)),
            Margins(pairs=count, base=before, exact=exact, rounded=rounded),
        )

    def _base(self, adapted: Vlm, passes: Sequence[MicroBatch]) -> "_BaseLogProbs":
        """Return the base's log-probabilities, which are the reference of every margin."""
        base_logps: dict[tuple[int, str, str], Tensor] = {}
        with adapted.model.disable_adapter():
            for rows, logps in self._logps(adapted, passes):
                each = iter(logps)
                for row in rows:
                    base_logps |= self._by_pair(row, [next(each) for _ in row.rows])
        return _BaseLogProbs(base_logps)

    def _by_pair(
        self, row: TrainingRow, logps: Sequence[Sequence[Tensor]]
    ) -> dict[tuple[int, str, str], Tensor]:
        by_answer: dict[tuple[int, str, str], Tensor] = {}
        for member in row.members:
            by_answer[member.pair, "chosen", ""] = logps[0][member.chosen]
            by_answer[member.pair, "rejected", ""] = logps[0][member.rejected]
            for view, view_logps in zip(self.pairs.encoded.views, logps[1:], strict=True):
                by_answer[member.pair, "chosen", view] = view_logps[member.view_place]
        return by_answer

    def _margin(
        self,
        vlm: Vlm,
        pairs: TrainingPairs,
        passes: Sequence[MicroBatch],
        without: Callable[[], Any] = nullcontext,
    ) -> float:
        margins: list[Tensor] = []
        with without():
            for rows, logps in self._logps(vlm, passes):
                chosen_B, rejected_B = self.method.rewards(pairs.collate(rows, logps))
                margins.append(chosen_B - rejected_B)
        return float(torch.cat(margins).mean())

    def _logps(
        self, vlm: Vlm, passes: Sequence[MicroBatch]
    ) -> Iterator[tuple[list[TrainingRow], list[list[Tensor]]]]:
        for each in passes:
            rows = [self.pairs.row(planned.pairs) for planned in each.rows]
            with torch.no_grad():
                yield rows, self.score(vlm, [row for one in rows for row in one.rows])


@dataclass(frozen=True, slots=True)
class _BaseLogProbs:
    """`References` kept in memory."""

    logps: Mapping[tuple[int, str, str], Tensor]

    def of(self, index: int, side: str, view: str = "") -> Tensor:
        return self.logps[index, side, view]
