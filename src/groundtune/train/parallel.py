"""The only file that knows of several processes: who they are, and what they must agree on.

Processes are started by `accelerate launch` or `torchrun`, on one machine or many. Each takes its
share of every step's pairs; gradients are averaged: by DDP; where the weights are cut, by FSDP2
(`fully_shard`: each process keeps a part of every weight and of the optimiser's state); or by
DeepSpeed's ZeRO (zero.py).

All three act on a module's forward. An engine runs more than the model's own (it encodes images
once and hands them on), so what is wrapped is model and engine together: one call of the wrapped
module is one forward pass of rows, whatever it consists of.
"""

import math
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed
from accelerate import PartialState  # pyright: ignore[reportMissingTypeStubs]
from torch import Tensor, nn
from torch.optim import Optimizer

from groundtune.engine.logprobs import TokenLogProbs
from groundtune.engine.rows import PromptRow
from groundtune.errors import UserError
from groundtune.train.zero import FullState, Zero, check_installed, requested_stage
from groundtune.vlm.load import Vlm

T = TypeVar("T")

dist: Any = torch.distributed


class Forward(nn.Module):
    """Model and engine as one module, so that what is wrapped sees all that a forward pass runs."""

    def __init__(
        self,
        vlm: Vlm,
        score: TokenLogProbs,
        arithmetic: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        super().__init__()
        self.model = vlm.model
        self._vlm = vlm
        self._score = score
        self._arithmetic = arithmetic

    def forward(self, rows: Sequence[PromptRow]) -> Tensor:
        """Log-probabilities of the tokens of all the rows' answers, one after the other.

        One tensor, since FSDP2 and DeepSpeed hang hooks on all that comes out: a view could lose
        them, and DeepSpeed wants equally many in all processes.
        """
        with self._arithmetic():  # in here, since DeepSpeed switches off what is set around it
            scored = self._score(self._vlm, rows)
        return torch.cat([logp for answers in scored for logp in answers])


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Model and optimiser as the processes run them."""

    forward: nn.Module
    model: nn.Module
    """The model inside, whose weights may be parts of the whole."""
    optimizer: Optimizer
    """Its groups have the learning rates; `Parallel.step` steps."""
    clip: float
    """Largest norm of the gradient; 0 does not clip."""
    zero: Zero | None = None


class Parallel:
    """The processes of a run. The model stays on the device on which it was loaded."""

    def __init__(
        self, device: torch.device, *, bf16: bool, shard: bool = False, zero: int = 0
    ) -> None:
        """With `bf16`, forward passes of float32 weights compute in bfloat16.

        With `shard`, weights, gradients and the optimiser's state are cut into parts (FSDP2); with
        `zero`, what that stage of DeepSpeed's ZeRO cuts; else each process has them whole (DDP).
        `accelerate launch` asks for the one with --use_fsdp, for the other with --use_deepspeed.

        Raises:
            UserError: both were asked for, settings of DeepSpeed that are not supported, or
                DeepSpeed where it is not installed.
        """
        stage = requested_stage(zero)
        shard = shard or _asked("ACCELERATE_USE_FSDP")
        if stage and shard:
            raise UserError(
                "The weights can't be cut by FSDP2 and by DeepSpeed.",
                "shard, zero",
                "Take one of them; shard=true needs nothing installed.",
            )
        self._state: Any = PartialState(cpu=device.type == "cpu")
        self._device = device
        self._bf16 = bf16
        self._cut = shard and self.processes > 1
        self._stage = stage if self.processes > 1 else 0
        if self._stage:
            check_installed()

    @property
    def main(self) -> bool:
        """Whether this process writes files and logs."""
        return self._state.is_main_process

    @property
    def rank(self) -> int:
        """Which process this is, from 0."""
        return self._state.process_index

    @property
    def processes(self) -> int:
        """How many share the work."""
        return self._state.num_processes

    @property
    def shards_weights(self) -> bool:
        """Whether a process holds no more than a part of the weights."""
        return self._cut or self._stage == 3

    def prepare(
        self, vlm: Vlm, score: TokenLogProbs, optimizer: Optimizer, *, clip: float
    ) -> Prepared:
        """Model, engine and optimiser as this set-up runs them; a step clips the gradient.

        Every process must hold the same weights and the same state of the optimiser.
        """
        forward: nn.Module = Forward(vlm, score, self.autocast)
        zero: Zero | None = None
        if self._stage:
            kind = self._device.type
            zero = Zero(forward, optimizer, stage=self._stage, clip=clip, device=kind)
            forward = zero.engine
        elif self._cut:
            self._shard_weights(forward, optimizer)
        elif self.processes > 1:
            forward = nn.parallel.DistributedDataParallel(forward)
        return Prepared(forward=forward, model=vlm.model, optimizer=optimizer, clip=clip, zero=zero)

    def _shard_weights(self, forward: Any, optimizer: Optimizer) -> None:
        """Cuts weights, block by block and in place, and the optimiser's state with them."""
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        names = {id(weight): name for name, weight in forward.named_parameters()}
        groups = [[names[id(weight)] for weight in g["params"]] for g in optimizer.param_groups]
        state = {names[id(weight)]: own for weight, own in optimizer.state.items()}
        mesh = init_device_mesh(self._device.type, (self.processes,))
        blocks = _blocks(forward.model)
        for module in reversed(list(forward.modules())):
            if type(module).__name__ in blocks:
                fully_shard(module, mesh=mesh)
        fully_shard(forward, mesh=mesh)
        weights = dict(forward.named_parameters())
        for group, own in zip(optimizer.param_groups, groups, strict=True):
            group["params"] = [weights[name] for name in own]
        optimizer.state.clear()
        for name, values in state.items():
            weight = weights[name]
            optimizer.state[weight] = {k: _cut_like(weight, v) for k, v in values.items()}

    def full_state(self, prepared: Prepared) -> FullState:
        """Weights and optimiser's state as a single process would have them.

        All processes must call it, since it gathers what is cut; the main one gets it.
        """
        if prepared.zero:
            return prepared.zero.full_state(prepared.model, keep=self.main)
        state = prepared.optimizer.state_dict()
        if not self._cut:
            return FullState(None, state)
        weights = self._gathered(prepared.model.state_dict())
        each = {i: self._gathered(own) for i, own in state["state"].items()}
        return FullState(weights, {**state, "state": each})

    def _gathered(self, cut: Mapping[str, Any]) -> dict[str, Any]:
        """The whole of each, on the CPU of the main process; the others keep nothing of it."""
        found: dict[str, Any] = {}
        for name, value in cut.items():
            whole = _whole(value)
            if self.main:
                found[name] = whole.cpu() if isinstance(whole, Tensor) else whole
        return found

    @contextmanager
    def evaluating(self, prepared: Prepared) -> Generator[None]:
        """The model in evaluation mode, its weights whole: each process may run it by itself."""
        parts: list[Any] = [module for module in prepared.forward.modules() if _is_cut(module)]
        for module in parts:
            module.set_reshard_after_forward(False, recurse=False)
            module.unshard()
        prepared.model.eval()
        try:
            yield
        finally:
            prepared.model.train()
            for module in parts:
                module.set_reshard_after_forward(module is not prepared.forward, recurse=False)
                module.reshard()

    def check_evaluates(self) -> None:
        """Raises UserError where the model can't be run between steps."""
        if self._stage == 3:
            raise UserError(
                "The model can't be evaluated in training while ZeRO stage 3 holds its weights.",
                "eval_every, zero",
                "Use shard=true or zero=2, or evaluate the checkpoints (keep=...) afterwards.",
            )

    def share(self, parts: Sequence[T]) -> list[T]:
        """This process's of parts that are handed out by turns."""
        return list(parts[self.rank :: self.processes])

    def any(self, said: bool) -> bool:
        """Whether a process says so, in all of them."""
        return any(self.gather(said))

    def score(self, prepared: Prepared, rows: Sequence[PromptRow]) -> list[list[Tensor]]:
        """Log-probabilities of each row's answers' tokens, as TokenLogProbs gives them."""
        logp: Tensor = prepared.forward(rows)
        lengths = [len(answer.ids) for row in rows for answer in row.answers]
        each = iter(torch.split(logp, lengths))
        return [[next(each) for _ in row.answers] for row in rows]

    def backward(self, prepared: Prepared, loss: Tensor) -> None:
        """Adds the gradient of this process's part of the loss; the parts add up."""
        scaled = loss * self.processes  # gradients of the processes are averaged, not summed
        if prepared.zero:
            prepared.zero.backward(scaled)
        else:
            scaled.backward()  # pyright: ignore[reportUnknownMemberType]

    def accumulate(self, prepared: Prepared, last: bool) -> AbstractContextManager[Any]:
        """Gradients are exchanged in a step's last forward pass only."""
        forward: Any = prepared.forward
        if prepared.zero:
            prepared.zero.accumulate(last)
            return nullcontext()
        if self._cut:
            forward.set_requires_gradient_sync(last)
            return nullcontext()
        return nullcontext() if last or self.processes == 1 else forward.no_sync()

    def step(self, prepared: Prepared) -> float:
        """Clips the gradient and steps; returns the whole gradient's norm before it was clipped.

        Where that is not finite no weight is changed.
        """
        if prepared.zero:
            return prepared.zero.step()
        trained = [weight for weight in prepared.model.parameters() if weight.requires_grad]
        limit = prepared.clip or float("inf")
        norm = float(_whole(nn.utils.clip_grad_norm_(trained, limit)))
        if math.isfinite(norm):
            prepared.optimizer.step()
        prepared.optimizer.zero_grad(set_to_none=True)
        return norm

    def total(self, sums: Mapping[str, Tensor]) -> dict[str, float]:
        """Each value summed over the processes, which must have the same names."""
        stacked = torch.stack([value.double() for value in sums.values()]).to(self._device)
        if self.processes > 1:
            dist.all_reduce(stacked)
        return dict(zip(sums, map(float, stacked), strict=True))

    def gather(self, own: T) -> list[T]:
        """What each process hands in, by rank, in all of them."""
        if self.processes == 1:
            return [own]
        each: list[Any] = [None] * self.processes
        dist.all_gather_object(each, own)
        return each

    @property
    def arithmetic(self) -> str:
        """The type that forward passes compute in, "" where it is that of the weights."""
        return "bfloat16" if self._bf16 else ""

    def autocast(self) -> AbstractContextManager[Any]:
        """The arithmetic of forward passes."""
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16)

    def wait(self) -> None:
        """Until all processes are here."""
        self._state.wait_for_everyone()


def _asked(variable: str) -> bool:
    """Whether `accelerate launch` asked for something, which it says in the environment."""
    return os.environ.get(variable, "").lower() in ("1", "true", "yes")


def _is_cut(module: nn.Module) -> bool:
    from torch.distributed.fsdp import FSDPModule

    return isinstance(module, FSDPModule)


def _blocks(model: Any) -> set[str]:
    """Class names of the repeated blocks, as the model's class names them: units of sharding."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return set(inner._no_split_modules or ())


def _cut_like(weight: Any, value: Any) -> Any:
    """A whole value of the optimiser's state cut as its weight is; what has another shape stays."""
    if not isinstance(value, Tensor) or value.shape != weight.shape:
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value, weight.device_mesh, weight.placements)


def _whole(value: Any) -> Any:
    """A tensor with all its parts, gathered from the processes; anything else as it is."""
    gather = getattr(value, "full_tensor", None)
    return gather() if gather is not None else value
