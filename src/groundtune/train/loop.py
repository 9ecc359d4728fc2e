"""The training loop: batches, the method's loss, accumulate, clip, step, log, evaluate, save.

It is independent of model families and methods, and reads no file. Each step's loss is the mean
over all pairs of the step, whatever the processes and micro-batches.
"""

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from groundtune.engine.logprobs import TokenLogProbs
from groundtune.errors import UserError
from groundtune.protocols import Evaluate, Logger, Progress
from groundtune.records import Score
from groundtune.train.batches import MicroBatch, PassLimits, batches, plan_micro_batches, rows_of
from groundtune.train.checkpoint import Checkpoints, random_state, save_step, set_random_state
from groundtune.train.examples import ExampleSet, Learner
from groundtune.train.interrupt import Interrupt
from groundtune.train.optim import Optim
from groundtune.train.parallel import Parallel, WrappedModel
from groundtune.train.step_metrics import step_metrics
from groundtune.vlm.load import Vlm

NAMED = 3
"""How many pairs an error names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSchedule:
    """How long to train, in which batches, and when to save and evaluate."""

    steps: int
    batch_size: int
    """Pairs per step, over all processes."""
    limits: PassLimits
    """Limits of a forward pass: they affect memory and speed, not the result."""
    seed: int
    save_every: int
    """Steps between checkpoints."""
    eval_every: int
    """Steps between evaluations; 0 never evaluates."""
    optim: Optim


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainer:
    """Everything that a training run needs; `fit` runs it."""

    vlm: Vlm
    """The weights to train require a gradient."""
    pairs: ExampleSet[Any]
    method: Learner[Any]
    score: TokenLogProbs
    plan: TrainingSchedule
    parallel: Parallel
    optimizer: Optimizer
    checkpoints: Checkpoints
    logger: Logger
    progress: Progress
    evaluate: Evaluate | None = None

    def fit(self, first_step: int) -> dict[str, Tensor] | None:
        """Train from `first_step` (the steps already done) to the end of the schedule.

        Return the full weights if each process holds only a shard of them, else None.

        Raises:
            UserError: the loss is not a number, the disk is full, or a model with sharded weights
                can't be evaluated.
            KeyboardInterrupt: Ctrl-C was pressed; the current step is finished and saved first.
        """
        plan = self.plan
        if self.evaluate and plan.eval_every:
            self.parallel.check_evaluates()
        self.progress.start("train", total=plan.steps)
        self.progress.advance(first_step)
        clip = plan.optim.clip
        ready = self.parallel.prepare(self.vlm, self.score, self.optimizer, clip=clip)
        ready.model.train()
        order = batches(self.pairs.groups, plan.batch_size, plan.seed, first_step)
        with Interrupt() as interrupt:
            for step, batch in enumerate(islice(order, plan.steps - first_step), start=first_step):
                started = time.perf_counter()
                metrics = self._step(ready, step, batch)
                seconds = time.perf_counter() - started
                metrics |= {
                    "tokens_per_second": metrics.pop("tokens") / seconds,
                    "seconds": seconds,
                }
                if self.parallel.main:
                    self.logger.log(step + 1, metrics)
                self.progress.advance(1, f"loss {metrics['loss']:.4f}")
                stop = self.parallel.any(interrupt.requested)
                self._between(ready, step + 1, stop=stop)
                if stop:
                    raise KeyboardInterrupt
        return self.parallel.full_state(ready).weights

    def _step(self, ready: WrappedModel, step: int, batch: Sequence[int]) -> dict[str, float]:
        """Take one optimiser step on a batch; return metrics, as means over the batch's pairs.

        `tokens` counts the tokens of all processes.
        """
        sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), dtype=torch.float64))
        broken: list[int] = []
        now = replace(self, pairs=self.pairs.at_step(step * self.plan.batch_size, batch))
        rows = rows_of(batch, now.pairs.group_of, now.pairs.tokens, self.plan.limits.tokens)
        planned = plan_micro_batches(rows, self.plan.limits, self.parallel.processes)
        for number, micro_batches in enumerate(planned, start=1):
            [own_batch] = self.parallel.share(micro_batches)
            with self.parallel.accumulate(ready, last=number == len(planned)):
                broken += now.accumulate(ready, own_batch, len(batch), sums)
        metrics = step_metrics({k: v / len(batch) for k, v in self.parallel.total(sums).items()})
        if not all(map(math.isfinite, metrics.values())):
            everywhere = [index for each in self.parallel.gather(broken) for index in each]
            raise self._not_finite(step + 1, everywhere or batch, f"loss {metrics['loss']}")
        rate = self.plan.optim.rate(step, self.plan.steps)
        for group in ready.optimizer.param_groups:
            group["lr"] = rate
        norm = self.parallel.step(ready)
        if not math.isfinite(norm):
            raise self._not_finite(step + 1, batch, f"norm of the gradient {norm}")
        tokens = sum(row.tokens for row in rows)
        return {**metrics, "gradient_norm": norm, "lr": rate, "tokens": tokens}

    def _not_finite(self, step: int, pairs: Sequence[int], value: str) -> UserError:
        """Return the error for pairs whose loss, metrics or gradient are not numbers."""
        keys = list(dict.fromkeys(self.pairs.key(index) for index in pairs))
        names = ", ".join(keys[:NAMED]) + (f" and {len(keys) - NAMED} more" if keys[NAMED:] else "")
        return UserError(
            f"The loss or its gradient is not a number ({value}).",
            f"step {step}, pair {names}",
            "Lower optim.lr, or use dtype=float32; if it happens at step 1, remove the pair.",
        )

    def accumulate(
        self, ready: WrappedModel, micro_batch: MicroBatch, batch_size: int, sums: dict[str, Tensor]
    ) -> list[int]:
        """Add a micro-batch's gradient, and its metrics to `sums`.

        Return the pairs of which one of these is not a number.
        """
        rows = [self.pairs.row(each.pairs) for each in micro_batch.rows]
        logp = self.parallel.score(ready, [row for each in rows for row in each.rows])
        value_B, metrics = self.method.loss(self.pairs.collate(rows, logp))
        self.parallel.backward(ready, value_B.sum() / batch_size * micro_batch.counts)
        sums["loss"] = sums["loss"] + value_B.detach().sum().cpu() * micro_batch.counts
        for name, each_B in metrics.items():
            sums[name] = sums[name] + each_B.sum().cpu() * micro_batch.counts
        if all(bool(value.isfinite()) for value in sums.values()):
            return []
        finite_B = value_B.isfinite()
        for each_B in metrics.values():
            finite_B = finite_B & each_B.isfinite()
        members = [member.pair for row in rows for member in row.members]
        return [index for index, fine in zip(members, finite_B, strict=True) if not bool(fine)]

    def _between(self, ready: WrappedModel, step: int, *, stop: bool) -> None:
        """After a step, evaluate and save a checkpoint if due; always save the last step."""
        plan = self.plan
        last = stop or step == plan.steps
        if self.evaluate and plan.eval_every and step % plan.eval_every == 0:
            state = random_state()
            with self.parallel.evaluating(ready), torch.no_grad():
                metrics = _means(self.evaluate(step))
            set_random_state(state)
            if self.parallel.main:
                self.logger.log(step, metrics)
        if step % plan.save_every == 0 or last:
            save_step(self.checkpoints, self.parallel, ready, self.vlm, step)
        self.parallel.wait()


def _means(scores: Sequence[Score]) -> dict[str, float]:
    """Return per benchmark the mean of each value over its items, and the unparsed share.

    Values that are not numbers are left out: an item without a value has no part in its mean.
    """
    values: dict[str, list[float]] = defaultdict(list)
    for score in scores:
        values[f"eval/{score.benchmark}/unparsed"].append(float(score.status == "unparsed"))
        for name, value in score.values.items():
            if math.isfinite(value):
                values[f"eval/{score.benchmark}/{name}"].append(value)
    return {name: sum(each) / len(each) for name, each in values.items()}
