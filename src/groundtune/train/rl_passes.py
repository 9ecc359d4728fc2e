"""The forward passes of a step's answers, and the loss of one optimiser step.

Shapes: B answers, T tokens of the longest answer.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from groundtune.engine.rows import PromptRow
from groundtune.methods.aggregation import token_weights
from groundtune.methods.kl import corrected_k3, kl_estimate
from groundtune.methods.policy_gradient import PolicyGradient
from groundtune.methods.policy_loss import clipped_loss
from groundtune.train.batches import (
    MicroBatch,
    PassLimits,
    PlannedRow,
    plan_micro_batches,
    rows_of,
)
from groundtune.train.parallel import Parallel, Prepared
from groundtune.train.rl_batch import RolloutBatch
from groundtune.vlm.encoded import EncodedAnswer, EncodedPrompt


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRows:
    """A step's answers as rows: a prompt once with several of its answers."""

    batch: RolloutBatch
    prompt: Callable[[str], EncodedPrompt]
    cost: Callable[[int, Sequence[int]], int]
    limits: PassLimits

    def planned(self, indices: Sequence[int], processes: int) -> list[list[MicroBatch]]:
        """Return the forward passes of some answers, as rounds of one per process."""
        rows: list[PlannedRow] = rows_of(
            list(indices), self._group, self._tokens, self.limits.tokens
        )
        return plan_micro_batches(rows, self.limits, processes)

    def prompt_rows(self, micro_batch: MicroBatch) -> list[PromptRow]:
        """Return the rows of a forward pass."""
        return [self._row(row.pairs) for row in micro_batch.rows]

    def values(
        self, micro_batch: MicroBatch, values: Sequence[Sequence[Tensor]]
    ) -> dict[int, list[float]]:
        """Return the values of a forward pass's answers by their index."""
        indices = [i for row in micro_batch.rows for i in row.pairs]
        flat = [each for row in values for each in row]
        return {i: _floats(each) for i, each in zip(indices, flat, strict=True)}

    def minibatches(self, passes: int, parts: int, salt: str) -> list[list[int]]:
        """Return the answers of each optimiser step: whole groups, shuffled in each pass."""
        groups: dict[int, list[int]] = {}
        for i in range(len(self.batch)):
            groups.setdefault(self._group(i), []).append(i)
        found: list[list[int]] = []
        for each in range(passes):
            order = list(groups.values())
            if parts > 1:
                random.Random(f"{salt}/{each}").shuffle(order)
            shares = [order[part::parts] for part in range(parts)]
            found += [[i for group in share for i in group] for share in shares if share]
        return found

    def _group(self, index: int) -> int:
        return int(self.batch.group_B[index])

    def _tokens(self, indices: Sequence[int]) -> int:
        ids = {self.batch.rollouts[i].answer_ids for i in indices}
        return self.cost(len(self.batch.rollouts[indices[0]].prompt_ids), [len(i) for i in ids])

    def _row(self, indices: Sequence[int]) -> PromptRow:
        own = [self.batch.rollouts[i] for i in indices]
        answers = tuple(
            EncodedAnswer(ids=each.answer_ids, offsets=((0, 0),) * len(each.answer_ids))
            for each in own
        )
        return PromptRow(self.prompt(own[0].prompt), answers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What a step's answers are learnt by, without gradients, (B, T) each."""

    advantage_BT: Tensor
    old_BT: Tensor
    ref_BT: Tensor | None
    coefficient: float
    """The KL's, if it is in the loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStep:
    """One optimiser step's loss over some of a step's answers."""

    method: PolicyGradient
    rows: RolloutRows
    part: Sequence[int]
    """Indices of its answers."""
    longest: int
    learned: Learned

    def run(self, parallel: Parallel, ready: Prepared) -> tuple[dict[str, float], Tensor]:
        """Add the loss's gradient; return metrics and the policy's log-probabilities, (B, T).

        Every process gets the metrics of all; its log-probabilities are all processes', too.
        """
        batch = self.rows.batch
        weight_BT = torch.zeros(batch.mask_BT.shape, dtype=torch.double)
        weight_BT[self.part] = token_weights(
            batch.mask_BT[self.part], self.method.aggregation, self.longest
        )
        zero = torch.zeros((), dtype=torch.double)
        sums: dict[str, Tensor] = {"loss": zero, "clipped": zero, "tokens": zero}
        own: dict[int, list[float]] = {}
        planned = self.rows.planned(self.part, parallel.processes)
        for number, micro_batches in enumerate(planned, start=1):
            [mine] = parallel.share(micro_batches)
            with parallel.accumulate(ready, last=number == len(planned)):
                logp = parallel.score(ready, self.rows.prompt_rows(mine))
                own |= self.rows.values(mine, logp)
                loss = self._loss(mine, logp, weight_BT, sums)
                parallel.backward(ready, loss * mine.counts)
        total = parallel.total(sums)
        found = {i: each for part in parallel.gather(own) for i, each in part.items()}
        logp_BT = torch.zeros(batch.mask_BT.shape, dtype=torch.double)
        for i, values in found.items():
            logp_BT[i, : len(values)] = torch.tensor(values, dtype=torch.double)
        return {
            "loss": total["loss"],
            "clipped": total["clipped"] / max(1.0, total["tokens"]),
        }, logp_BT

    def _loss(
        self,
        micro_batch: MicroBatch,
        logp: Sequence[Sequence[Tensor]],
        weight_BT: Tensor,
        sums: dict[str, Tensor],
    ) -> Tensor:
        """Return the part of the loss that a forward pass has."""
        indices = [i for row in micro_batch.rows for i in row.pairs]
        flat = [each for row in logp for each in row]
        device, learned, method = flat[0].device, self.learned, self.method
        longest = max(map(len, flat))

        def of(value_BT: Tensor) -> Tensor:
            return value_BT[indices, :longest].to(device)

        logp_bT = torch.nn.utils.rnn.pad_sequence(flat, batch_first=True)
        mask_bT, old_bT = of(self.rows.batch.mask_BT), of(learned.old_BT)
        found = clipped_loss(
            logp_bT,
            old_bT,
            of(learned.advantage_BT),
            mask_bT,
            low=method.clip_low,
            high=method.clip_high,
        )
        value_bT = found.value_BT
        if learned.ref_BT is not None and method.kl.place == "loss":
            ref_bT, kl = of(learned.ref_BT), method.kl
            if kl.estimate == "corrected_k3":
                kl_bT = corrected_k3(logp_bT, old_bT, ref_bT, mask_bT, level=kl.level)
            else:
                kl_bT = kl_estimate(logp_bT, ref_bT, mask_bT, kl.estimate)
            value_bT = value_bT + learned.coefficient * kl_bT
        loss = (value_bT * of(weight_BT)).sum()
        for name, value in (
            ("loss", loss),
            ("clipped", (found.clipped_BT * mask_bT).sum()),
            ("tokens", mask_bT.sum()),
        ):
            sums[name] = sums[name] + value.detach().double().cpu() * micro_batch.counts
        return loss


def _floats(values: Tensor) -> list[float]:
    return values.detach().double().tolist()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
