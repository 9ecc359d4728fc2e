"""The training loop: batches, the method's loss, accumulate, clip, step, log, evaluate, save.

It never sees a model's or a method's name, and it reads no file. Each step's loss is the mean over
all pairs of the step, on whatever processes and in whatever forward passes they were run.
"""

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from torch.optim import Optimizer

from groundtune.engine.logprobs import TokenLogProbs
from groundtune.errors import UserError
from groundtune.methods.pairwise import Pairwise
from groundtune.methods.step_metrics import step_metrics
from groundtune.protocols import Evaluate, Logger, Progress
from groundtune.records import Score
from groundtune.train.batches import MicroBatch, PassLimits, batches, plan_micro_batches, rows_of
from groundtune.train.checkpoint import Checkpoints, State, random_state, set_random_state
from groundtune.train.interrupt import Interrupt
from groundtune.train.optim import Optim
from groundtune.train.parallel import Parallel, Prepared
from groundtune.train.rows import TrainingPairs
from groundtune.vlm.load import Vlm


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSchedule:
    """How long and in which portions to train."""

    steps: int
    batch_size: int
    """Pairs a step, over all processes."""
    limits: PassLimits
    """Of a forward pass: they change memory and speed, not the result."""
    seed: int
    save_every: int
    """Steps between checkpoints."""
    eval_every: int
    """Steps between evaluations; 0 evaluates never."""
    optim: Optim


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainer:
    """All that a run consists of; `fit` runs it."""

    vlm: Vlm
    """With the weights to train requiring a gradient."""
    pairs: TrainingPairs
    method: Pairwise
    score: TokenLogProbs
    plan: TrainingSchedule
    parallel: Parallel
    optimizer: Optimizer
    checkpoints: Checkpoints
    logger: Logger
    progress: Progress
    evaluate: Evaluate | None = None

    def fit(self, first_step: int) -> dict[str, Tensor] | None:
        """Trains from `first_step` (steps done so far) to the plan's end.

        Returns the weights where the model holds only a part of them in each process, else None.

        Raises:
            UserError: the loss is not a number, the disk is full, or the model can't be evaluated
                the way its weights are held.
            KeyboardInterrupt: Ctrl-C; after the step that was running, which is kept.
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
            for done, batch in enumerate(islice(order, plan.steps - first_step), start=first_step):
                started = time.perf_counter()
                metrics = self._step(ready, done, batch)
                seconds = time.perf_counter() - started
                metrics |= {
                    "tokens_per_second": metrics.pop("tokens") / seconds,
                    "seconds": seconds,
                }
                if self.parallel.main:
                    self.logger.log(done + 1, metrics)
                self.progress.advance(1, f"loss {metrics['loss']:.4f}")
                stop = self.parallel.any(interrupt.requested)
                self._between(ready, done + 1, stop=stop)
                if stop:
                    raise KeyboardInterrupt
        return self.parallel.full_state(ready).weights

    def _step(self, ready: Prepared, done: int, batch: Sequence[int]) -> dict[str, float]:
        """One optimiser step on a batch; its metrics are means over the batch's pairs.

        `tokens` are those that were run, on all processes.
        """
        sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), dtype=torch.float64))
        rows = rows_of(batch, self.pairs.group_of, self.pairs.tokens, self.plan.limits.tokens)
        planned = plan_micro_batches(rows, self.plan.limits, self.parallel.processes)
        for number, portions in enumerate(planned, start=1):
            [mine] = self.parallel.share(portions)
            with self.parallel.accumulate(ready, last=number == len(planned)):
                self._portion(ready, mine, len(batch), sums)
        metrics = step_metrics({k: v / len(batch) for k, v in self.parallel.total(sums).items()})
        rate = self.plan.optim.rate(done, self.plan.steps)
        for group in ready.optimizer.param_groups:
            group["lr"] = rate
        loss = metrics["loss"]
        norm = self.parallel.step(ready) if math.isfinite(loss) else math.nan
        if not math.isfinite(norm):
            raise UserError(
                f"The loss or its gradient is not a number (loss {loss}, norm {norm}).",
                f"step {done + 1}",
                "Lower optim.lr, or use dtype=float32.",
            )
        tokens = sum(row.tokens for row in rows)
        return {**metrics, "gradient_norm": norm, "lr": rate, "tokens": tokens}

    def _portion(
        self, ready: Prepared, portion: MicroBatch, batch_size: int, sums: dict[str, Tensor]
    ) -> None:
        """Adds a forward pass's part of the gradient, and its sums of metrics."""
        rows = [self.pairs.row(each.pairs) for each in portion.rows]
        logp = self.parallel.score(ready, [row for each in rows for row in each.rows])
        value_B, metrics = self.method.loss(self.pairs.collate(rows, logp))
        self.parallel.backward(ready, value_B.sum() / batch_size * portion.counts)
        sums["loss"] = sums["loss"] + value_B.detach().sum().cpu() * portion.counts
        for name, each_B in metrics.items():
            sums[name] = sums[name] + each_B.sum().cpu() * portion.counts

    def _between(self, ready: Prepared, done: int, *, stop: bool) -> None:
        """What happens after a step: evaluation, then a checkpoint where one is due or the last."""
        plan = self.plan
        last = stop or done == plan.steps
        if self.evaluate and plan.eval_every and done % plan.eval_every == 0:
            state = random_state()
            with self.parallel.evaluating(ready), torch.no_grad():
                scored = _means(self.evaluate(done))
            set_random_state(state)
            if self.parallel.main:
                self.logger.log(done, scored)
        if done % plan.save_every == 0 or last:
            state = State(
                self.parallel.full_state(ready), done, self.parallel.gather(random_state())
            )
            if self.parallel.main:
                self.checkpoints.save(self.vlm, state)
        self.parallel.wait()


def _means(scores: Sequence[Score]) -> dict[str, float]:
    """Mean of each value over the scored items of each benchmark, and how many were unparsed."""
    values: dict[str, list[float]] = defaultdict(list)
    for score in scores:
        values[f"eval/{score.benchmark}/unparsed"].append(float(score.status == "unparsed"))
        for name, value in score.values.items():
            values[f"eval/{score.benchmark}/{name}"].append(value)
    return {name: sum(each) / len(each) for name, each in values.items()}
