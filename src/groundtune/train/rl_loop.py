"""The loop of reinforcement learning: draw, reward, compare with the reference, step, log, save.

It is independent of model families, methods and rewards: the caller passes functions that draw a
step's answers and reward them. All processes hold all answers of a step and share its forward
passes, as in loop.py, so the processes and micro-batches change no result.

Shapes: B answers, T tokens of the longest answer.
"""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from groundtune.engine.logprobs import TokenLogProbs
from groundtune.engine.rows import PromptRow
from groundtune.errors import UserError
from groundtune.feedback.repeats import repeated_phrases
from groundtune.methods.kl import adapted, kl_estimate
from groundtune.methods.policy_gradient import PolicyGradient
from groundtune.methods.policy_loss import Level, far_off, importance_weights
from groundtune.protocols import Logger, Progress
from groundtune.train.batches import PassLimits
from groundtune.train.checkpoint import Checkpoints, save_step
from groundtune.train.interrupt import Interrupt
from groundtune.train.mismatch import Bound, check_gap, gap_of
from groundtune.train.optim import Optim
from groundtune.train.parallel import Parallel, WrappedModel
from groundtune.train.rl_batch import Rewards, RolloutBatch, batch_of, padded_like
from groundtune.train.rl_passes import LearningSignal, PolicyStep, RolloutRows
from groundtune.train.rollout import Rollout
from groundtune.vlm.encoded import EncodedPrompt
from groundtune.vlm.load import Vlm


@dataclass(frozen=True, slots=True, kw_only=True)
class RLSchedule:
    """How long to train, and how often a step's answers are learnt from."""

    steps: int
    passes: int
    """Times that a step's answers are gone through (PPO's epochs)."""
    minibatches: int
    """Optimiser steps per pass."""
    longest: int
    """The most tokens of an answer."""
    limits: PassLimits
    seed: int
    save_every: int
    eval_every: int
    optim: Optim
    importance: tuple[float, Level] = (2.0, "token")
    """Cap and level of importance weights, where drawn log-probabilities are not exact."""
    reject: float = 0.0
    """Factor from which on an answer with such a token is left out; 0 keeps all."""
    recompute: bool = False
    """Recompute activations in the backward pass; models do so in training mode alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RLTrainer:
    """Everything that a run needs; `fit` runs it."""

    vlm: Vlm
    """The policy; the weights to train require a gradient."""
    method: PolicyGradient
    draw: Callable[[int], list[Rollout]]
    """Draws the answers of a step, counted from 1; all of them, in every process."""
    reward: Callable[[Sequence[Rollout]], Rewards]
    prompt: Callable[[str], EncodedPrompt]
    """The prompt of a key, the same object each time."""
    score: TokenLogProbs
    reference: Callable[[Sequence[PromptRow]], list[list[Tensor]]] | None
    """The reference's log-probabilities; None if the KL counts nowhere."""
    cost: Callable[[int, Sequence[int]], int]
    bound: Bound
    """How near the drawn log-probabilities must be to the trainer's."""
    plan: RLSchedule
    parallel: Parallel
    optimizer: Optimizer
    checkpoints: Checkpoints
    logger: Logger
    progress: Progress
    evaluate: Callable[[int], Mapping[str, float]] | None = None
    keep: Callable[[WrappedModel, int], None] | None = None
    """Keeps the model of an evaluated step if it may be the result; called in all processes."""
    stop: Callable[[int], str] | None = None
    """Returns why the run should end after a step, "" if it should not."""

    def fit(self, first_step: int, coefficient: float) -> str:
        """Train from `first_step` (the steps already done); return why it ended early, or "".

        `coefficient` is the KL's: the method's, or the one that an interrupted run had reached.

        Raises:
            UserError: rewards or the loss are not numbers, all answers of a step are empty, the
                drawn answers are not the policy's, or the disk is full.
            KeyboardInterrupt: Ctrl-C was pressed; the current step is finished and saved first.
        """
        plan = self.plan
        self.progress.start("train", total=plan.steps)
        self.progress.advance(first_step)
        clip = plan.optim.clip
        ready = self.parallel.prepare(self.vlm, self.score, self.optimizer, clip=clip)
        if first_step and self.stop and (early_end := self.stop(first_step)):
            return early_end
        with Interrupt() as interrupt:
            if first_step == 0:
                self._evaluate(ready, 0)
            for step in range(first_step, plan.steps):
                metrics = self._step(ready, step, coefficient)
                coefficient = metrics["next_kl_coefficient"]
                if self.parallel.main:
                    self.logger.log(step + 1, metrics)
                self.progress.advance(1, f"reward {metrics['reward']:.3f}")
                early_end = self._evaluate(ready, step + 1)
                stop = self.parallel.any(interrupt.requested)
                self._save(ready, step + 1, last=stop or bool(early_end))
                if stop:
                    raise KeyboardInterrupt
                if early_end:
                    return early_end
        return ""

    def _step(self, ready: WrappedModel, step: int, coefficient: float) -> dict[str, float]:
        """Draw, reward and learn; return the metrics of the step, and the KL's next coefficient."""
        clock = _Clock()
        self.vlm.model.eval()
        rollouts = self.draw(step + 1)
        clock.note("draw")
        _refuse_empty(rollouts, step)
        rewards = self.reward(rollouts)
        clock.note("reward")
        batch = batch_of(
            rollouts, rewards, longest=self.plan.longest, groups=not self.method.has_values
        )
        groups = len({each.prompt for each in rollouts})
        metrics = {**rewards.metrics, **_shape(rollouts)}
        metrics["dropped_groups"] = float(groups)
        metrics |= {"kl_coefficient": coefficient, "next_kl_coefficient": coefficient}
        if batch is None:
            self._refuse_equal(rollouts, step)
            return metrics | clock.metrics()
        metrics["dropped_groups"] -= len(set(batch.group_B.tolist()))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        rows = RolloutRows(batch=batch, prompt=self.prompt, cost=self.cost, limits=self.plan.limits)
        ref_BT = self._score_all(rows, self.reference)[..., 0] if self.reference else None
        clock.note("reference")
        old_BT, value_BT = self._old(rows, step)
        if ref_BT is not None:
            kl_B = kl_estimate(old_BT, ref_BT, batch.mask_BT, "k1").sum(-1)
            metrics["kl"] = float(kl_B.mean())
            if self.method.kl.target:
                target, horizon = self.method.kl.target, self.method.kl.horizon
                metrics["next_kl_coefficient"] = adapted(
                    coefficient, metrics["kl"], target, horizon, len(rollouts)
                )
        advantages = batch.advantages(self.method, old_BT, ref_BT, coefficient, value_BT)
        learned = LearningSignal(
            advantage_BT=advantages.advantage_BT,
            old_BT=old_BT,
            ref_BT=ref_BT,
            coefficient=coefficient,
            value_BT=value_BT,
            return_BT=advantages.return_BT,
            weight_BT=self._weights(batch, old_BT, metrics),
        )
        metrics |= self._learn(ready, step, rows, learned)
        clock.note("update")
        return metrics | clock.metrics()

    def _learn(
        self, ready: WrappedModel, step_number: int, rows: RolloutRows, learned: LearningSignal
    ) -> dict[str, float]:
        """Take the optimiser steps of one step; return their mean metrics."""
        plan = self.plan
        rate = plan.optim.rate(step_number, plan.steps)
        for group in ready.optimizer.param_groups:
            group["lr"] = rate
        self.vlm.model.train(plan.recompute)
        sums: dict[str, float] = defaultdict(float)
        parts = rows.minibatches(plan.passes, plan.minibatches, f"{plan.seed}/{step_number}")
        for number, part in enumerate(parts):
            step = PolicyStep(
                method=self.method, rows=rows, part=part, longest=plan.longest, learned=learned
            )
            metrics, logp_BT = step.run(self.parallel, ready)
            if number == 0 and self.bound == "exact":
                gap = gap_of(logp_BT[part], rows.batch.behaviour_BT[part], rows.batch.mask_BT[part])
                check_gap(gap, "exact", f"step {step_number + 1}")
                metrics |= {"gap": gap.mean, "gap_largest": gap.largest}
            norm = self.parallel.step(ready)
            if not math.isfinite(metrics["loss"]) or not math.isfinite(norm):
                raise UserError(
                    f"The loss or its gradient is not a number (loss {metrics['loss']}).",
                    f"step {step_number + 1}",
                    "Lower optim.lr, or use dtype=float32.",
                )
            for name, value in (metrics | {"gradient_norm": norm}).items():
                sums[name] += value if name.startswith("gap") else value / len(parts)
        return {**sums, "lr": rate}

    def _old(self, rows: RolloutRows, step: int) -> tuple[Tensor, Tensor | None]:
        """Return the policy's log-probabilities and values at the start of the step."""
        batch, values = rows.batch, self.method.has_values
        if self.bound == "exact" and not values:
            return (
                batch.behaviour_BT,
                None,
            )  # compared in the first pass, which computes them anyway
        old_BTC = self._score_all(rows, lambda each: self.score(self.vlm, each))
        gap = gap_of(old_BTC[..., 0], batch.behaviour_BT, batch.mask_BT)
        check_gap(gap, self.bound, f"step {step + 1}")
        old_BT = batch.behaviour_BT if self.bound == "exact" else old_BTC[..., 0]
        return old_BT, old_BTC[..., 1] if values else None

    def _weights(
        self, batch: RolloutBatch, old_BT: Tensor, metrics: dict[str, float]
    ) -> Tensor | None:
        """Return importance weights, 0 for answers that are left out; None if all are 1."""
        if self.bound == "exact":
            return None
        cap, level = self.plan.importance
        mask_BT, drawn_BT = batch.mask_BT, batch.behaviour_BT
        gap = gap_of(old_BT, drawn_BT, mask_BT)
        weight_BT = importance_weights(old_BT, drawn_BT, mask_BT, cap=cap, level=level)
        metrics |= {"gap": gap.mean, "gap_largest": gap.largest, "gap_factor": gap.factor}
        metrics["importance"] = float(weight_BT[mask_BT].mean())
        if self.plan.reject:
            far_B = far_off(old_BT, drawn_BT, mask_BT, limit=self.plan.reject)
            metrics["rejected_rollouts"] = float(far_B.double().mean())
            weight_BT = weight_BT.masked_fill(far_B[:, None], 0.0)
        return weight_BT

    def _score_all(
        self, rows: RolloutRows, score: Callable[[Sequence[PromptRow]], list[list[Tensor]]]
    ) -> Tensor:
        """Return columns of all answers' tokens, (B, T, C), each answer scored by one process."""
        own_values: dict[int, Tensor] = {}
        with torch.no_grad(), self.parallel.autocast():
            for micro_batches in rows.planned(range(len(rows.batch)), self.parallel.processes):
                [own_batch] = self.parallel.share(micro_batches)
                own_values |= rows.values(own_batch, score(rows.prompt_rows(own_batch)))
        by_answer = {
            i: values for part in self.parallel.gather(own_values) for i, values in part.items()
        }
        return padded_like(by_answer, rows.batch.mask_BT)

    def _refuse_equal(self, rollouts: Sequence[Rollout], step: int) -> None:
        """Refuse a first step in which all answers to each prompt are the same."""
        texts: dict[str, set[str]] = defaultdict(set)
        for each in rollouts:
            texts[each.prompt].add(each.text)
        if step == 0 and all(len(group_texts) == 1 for group_texts in texts.values()):
            raise UserError(
                "All answers to each prompt are equal, so there is nothing to compare.",
                f"{len(texts)} prompts, {len(rollouts)} answers",
                "Use a model whose answers vary when they are sampled at temperature 1, or a "
                "larger n.",
            )

    def _evaluate(self, ready: WrappedModel, step: int) -> str:
        """Evaluate after a step if it is due; return why the run should end, "" if not."""
        due = self.plan.eval_every and (step % self.plan.eval_every == 0 or step == self.plan.steps)
        if due and self.evaluate:
            self.vlm.model.eval()
            metrics = self.evaluate(step)
            if self.parallel.main and metrics:
                self.logger.log(step, metrics)
            if self.keep:
                self.keep(ready, step)
        return self.stop(step) if self.stop and step else ""

    def _save(self, ready: WrappedModel, step: int, *, last: bool) -> None:
        if step % self.plan.save_every == 0 or step == self.plan.steps or last:
            save_step(self.checkpoints, self.parallel, ready, self.vlm, step)
        self.parallel.wait()


def _refuse_empty(rollouts: Sequence[Rollout], step: int) -> None:
    """Refuse a step in which no answer has a word: there is nothing to reward.

    Raises:
        UserError: all answers are empty.
    """
    if any(each.text for each in rollouts):
        return
    fix = "Use a model that answers these prompts: groundtune sample shows what it says."
    if step:
        fix = "Reward what should be said (rewards.coverage), or lower optim.lr; then start again."
    raise UserError(f"All {len(rollouts)} answers are empty.", f"step {step + 1}", fix)


class _Clock:
    """Seconds by part of a step."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._parts: dict[str, float] = {}

    def note(self, part: str) -> None:
        now = time.perf_counter()
        self._parts[part], self._last = now - self._last, now

    def metrics(self) -> dict[str, float]:
        seconds = {f"seconds_{name}": value for name, value in self._parts.items()}
        return {**seconds, "seconds": sum(self._parts.values())}


def _shape(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """Return lengths, repetition and the truncated share of a step's answers."""
    count = len(rollouts)
    return {
        "tokens": sum(len(each.answer_ids) for each in rollouts) / count,
        "words": sum(len(each.text.split()) for each in rollouts) / count,
        "repeated_phrases": sum(repeated_phrases(each.text) for each in rollouts) / count,
        "truncated": sum(each.finish == "length" for each in rollouts) / count,
        "banned": sum(each.banned for each in rollouts) / count,
        "empty": sum(not each.text for each in rollouts) / count,
    }
