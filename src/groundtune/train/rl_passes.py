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
from groundtune.methods.ppo import PPO
from groundtune.methods.value_loss import value_loss
from groundtune.train.batches import (
    MicroBatch,
    PassLimits,
    PlannedRow,
    plan_micro_batches,
    rows_of,
)
from groundtune.train.parallel import Parallel, WrappedModel
from groundtune.train.rl_batch import RolloutBatch, padded_like
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
    ) -> dict[int, Tensor]:
        """Return the columns of a forward pass's answers, (T, C) on the CPU, by index."""
        indices = [i for row in micro_batch.rows for i in row.pairs]
        flat = [each for row in values for each in row]
        return {
            i: each.detach().double().cpu().reshape(len(each), -1)
            for i, each in zip(indices, flat, strict=True)
        }

    def minibatches(self, passes: int, parts: int, salt: str) -> list[list[int]]:
        """Return the answers of each optimiser step: whole groups, shuffled in each pass."""
        groups: dict[int, list[int]] = {}
        for i in range(len(self.batch)):
            groups.setdefault(self._group(i), []).append(i)
        minibatches: list[list[int]] = []
        for each in range(passes):
            order = list(groups.values())
            if parts > 1:
                random.Random(f"{salt}/{each}").shuffle(order)
            shares = [order[part::parts] for part in range(parts)]
            minibatches += [[i for group in share for i in group] for share in shares if share]
        return minibatches

    def _group(self, index: int) -> int:
        return int(self.batch.group_B[index])

    def _tokens(self, indices: Sequence[int]) -> int:
        ids = {self.batch.rollouts[i].answer_ids for i in indices}
        return self.cost(len(self.batch.rollouts[indices[0]].prompt_ids), [len(i) for i in ids])

    def _row(self, indices: Sequence[int]) -> PromptRow:
        rollouts = [self.batch.rollouts[i] for i in indices]
        answers = tuple(
            EncodedAnswer(ids=each.answer_ids, offsets=((0, 0),) * len(each.answer_ids))
            for each in rollouts
        )
        return PromptRow(self.prompt(rollouts[0].prompt), answers)


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningSignal:
    """What a step's answers are learnt by, without gradients, (B, T) each."""

    advantage_BT: Tensor
    old_BT: Tensor
    ref_BT: Tensor | None
    coefficient: float
    """The KL's, if it is in the loss."""
    value_BT: Tensor | None = None
    """Values at the start of the step; None without a value head."""
    return_BT: Tensor | None = None
    """What they should be."""
    weight_BT: Tensor | None = None
    """Importance weights; None if all are 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStep:
    """One optimiser step's loss over some of a step's answers."""

    method: PolicyGradient
    rows: RolloutRows
    part: Sequence[int]
    """Indices of its answers."""
    longest: int
    learned: LearningSignal

    def run(self, parallel: Parallel, ready: WrappedModel) -> tuple[dict[str, float], Tensor]:
        """Add the loss's gradient; return metrics and the policy's log-probabilities, (B, T).

        Every process gets the metrics of all; its log-probabilities are all processes', too.
        """
        batch = self.rows.batch
        weight_BT = torch.zeros(batch.mask_BT.shape, dtype=torch.double)
        weight_BT[self.part] = token_weights(
            batch.mask_BT[self.part], self.method.aggregation, self.longest
        )
        zero = torch.zeros((), dtype=torch.double)
        sums: dict[str, Tensor] = {
            "loss": zero,
            "clipped": zero,
            "tokens": zero,
            "value_loss": zero,
        }
        own_logps: dict[int, Tensor] = {}
        planned = self.rows.planned(self.part, parallel.processes)
        for number, micro_batches in enumerate(planned, start=1):
            [own_batch] = parallel.share(micro_batches)
            with parallel.accumulate(ready, last=number == len(planned)):
                logp = parallel.score(ready, self.rows.prompt_rows(own_batch))
                own_logps |= self.rows.values(own_batch, logp)
                loss = self._loss(own_batch, logp, weight_BT, sums)
                parallel.backward(ready, loss * own_batch.counts)
        total = parallel.total(sums)
        by_answer = {i: each for part in parallel.gather(own_logps) for i, each in part.items()}
        tokens = max(1.0, total["tokens"])
        metrics = {"loss": total["loss"], "clipped": total["clipped"] / tokens}
        if self.learned.value_BT is not None:
            metrics["value_loss"] = total["value_loss"] / tokens
        return metrics, padded_like(by_answer, batch.mask_BT)[..., 0]

    def _loss(
        self,
        micro_batch: MicroBatch,
        logp: Sequence[Sequence[Tensor]],
        weight_BT: Tensor,
        sums: dict[str, Tensor],
    ) -> Tensor:
        """Return the part of the loss that a forward pass has."""
        indices = [i for row in micro_batch.rows for i in row.pairs]
        flat = [each.reshape(len(each), -1) for row in logp for each in row]
        device, learned, method = flat[0].device, self.learned, self.method
        longest = max(map(len, flat))

        def of(value_BT: Tensor) -> Tensor:
            return value_BT[indices, :longest].to(device)

        columns_bTC = torch.nn.utils.rnn.pad_sequence(flat, batch_first=True)
        logp_bT = columns_bTC[..., 0]
        mask_bT, old_bT = of(self.rows.batch.mask_BT), of(learned.old_BT)
        parts = clipped_loss(
            logp_bT,
            old_bT,
            of(learned.advantage_BT),
            mask_bT,
            low=method.clip_low,
            high=method.clip_high,
            weight_BT=None if learned.weight_BT is None else of(learned.weight_BT),
        )
        value_bT = parts.value_BT
        if learned.ref_BT is not None and method.kl.place == "loss":
            ref_bT, kl = of(learned.ref_BT), method.kl
            if kl.estimate == "corrected_k3":
                kl_bT = corrected_k3(logp_bT, old_bT, ref_bT, mask_bT, level=kl.level)
            else:
                kl_bT = kl_estimate(logp_bT, ref_bT, mask_bT, kl.estimate)
            value_bT = value_bT + learned.coefficient * kl_bT
        values_bT = torch.zeros_like(value_bT)
        if isinstance(method, PPO) and learned.value_BT is not None:
            assert learned.return_BT is not None
            old_value_bT, return_bT = of(learned.value_BT), of(learned.return_BT)
            values_bT = value_loss(
                columns_bTC[..., 1], old_value_bT, return_bT, mask_bT, clip=method.value_clip
            )
            value_bT = value_bT + method.value_weight * values_bT
        loss = (value_bT * of(weight_BT)).sum()
        for name, value in (
            ("loss", loss),
            ("clipped", (parts.clipped_BT * mask_bT).sum()),
            ("tokens", mask_bT.sum()),
            ("value_loss", values_bT.sum()),
        ):
            sums[name] = sums[name] + value.detach().double().cpu() * micro_batch.counts
        return loss
