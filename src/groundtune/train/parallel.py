"""Distributed training; with zero.py, the only code that handles several processes.

`accelerate launch` or `torchrun` starts the processes, on one machine or many. Each computes its
share of every step's pairs. Gradients are averaged by DDP, by FSDP2 if weights are sharded
(`fully_shard`: each process keeps a shard of every weight and of the optimiser state), or by
DeepSpeed's ZeRO (zero.py).

All three act on a module's forward. An engine runs more than the model's forward (it encodes images
separately), so model and engine are wrapped together: one call of the wrapped module is one forward
pass of rows.
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
    """Model and engine as one module, so that wrapping it covers the complete forward pass."""

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
        """Return the token log-probabilities of all the rows' answers, concatenated.

        This is one tensor, since FSDP2 and DeepSpeed attach hooks to each output: a view could lose
        them, and DeepSpeed needs equally many outputs in all processes.
        """
        with self._arithmetic():  # here, since DeepSpeed disables an autocast outside
            logps = self._score(self._vlm, rows)
        return torch.cat([logp for answers in logps for logp in answers])


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedModel:
    """Model and optimiser, wrapped for the processes."""

    forward: nn.Module
    model: nn.Module
    """The model inside, whose weights may be sharded."""
    optimizer: Optimizer
    """Its groups have the learning rates; `Parallel.step` steps it."""
    clip: float
    """Maximum gradient norm; 0 does not clip."""
    zero: Zero | None = None


class Parallel:
    """The processes of a run. The model stays on the device it was loaded on."""

    def __init__(
        self, device: torch.device, *, bf16: bool, shard: bool = False, zero: int = 0
    ) -> None:
        """With `bf16`, forward passes of float32 weights compute in bfloat16.

        With `shard`, weights, gradients and optimiser state are sharded (FSDP2); with `zero`, by
        that stage of DeepSpeed's ZeRO; else each process has full copies (DDP). `accelerate launch`
        sets them with --use_fsdp and --use_deepspeed.

        Raises:
            UserError: both are set, DeepSpeed's settings are not supported, or it is not installed.
        """
        stage = requested_stage(zero)
        shard = shard or _is_set("ACCELERATE_USE_FSDP")
        if stage and shard:
            raise UserError(
                "FSDP2 and DeepSpeed can't both shard the weights.",
                "shard, zero",
                "Use one of them; shard=true needs no extra package.",
            )
        self._state: Any = PartialState(cpu=device.type == "cpu")
        self._device = device
        self._bf16 = bf16
        self._shard = shard and self.processes > 1
        self._stage = stage if self.processes > 1 else 0
        if self._stage:
            check_installed()

    @property
    def main(self) -> bool:
        """Whether this is the main process, which writes files and logs."""
        return self._state.is_main_process

    @property
    def rank(self) -> int:
        """Index of this process, from 0."""
        return self._state.process_index

    @property
    def processes(self) -> int:
        """Number of processes."""
        return self._state.num_processes

    @property
    def shards_weights(self) -> bool:
        """Whether each process holds only a shard of the weights."""
        return self._shard or self._stage == 3

    def prepare(
        self, vlm: Vlm, score: TokenLogProbs, optimizer: Optimizer, *, clip: float
    ) -> WrappedModel:
        """Wrap model, engine and optimiser for the processes; steps clip the gradient to `clip`.

        Every process must have the same weights and optimiser state.
        """
        forward: nn.Module = Forward(vlm, score, self.autocast)
        zero: Zero | None = None
        if self._stage:
            kind = self._device.type
            zero = Zero(forward, optimizer, stage=self._stage, clip=clip, device=kind)
            forward = zero.engine
        elif self._shard:
            self._shard_weights(forward, optimizer)
        elif self.processes > 1:
            forward = nn.parallel.DistributedDataParallel(forward)
        return WrappedModel(
            forward=forward, model=vlm.model, optimizer=optimizer, clip=clip, zero=zero
        )

    def _shard_weights(self, forward: Any, optimizer: Optimizer) -> None:
        """Shard the weights, block by block and in place, and the optimiser state with them."""
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        names = {id(weight): name for name, weight in forward.named_parameters()}
        groups = [[names[id(weight)] for weight in g["params"]] for g in optimizer.param_groups]
        state = {names[id(weight)]: values for weight, values in optimizer.state.items()}
        mesh = init_device_mesh(self._device.type, (self.processes,))
        blocks = _blocks(forward.model)
        for module in reversed(list(forward.modules())):
            if type(module).__name__ in blocks:
                fully_shard(module, mesh=mesh)
        fully_shard(forward, mesh=mesh)
        weights = dict(forward.named_parameters())
        for group, members in zip(optimizer.param_groups, groups, strict=True):
            group["params"] = [weights[name] for name in members]
        optimizer.state.clear()
        for name, values in state.items():
            weight = weights[name]
            optimizer.state[weight] = {k: _shard_like(weight, v) for k, v in values.items()}

    def full_state(self, prepared: WrappedModel) -> FullState:
        """Return weights and optimiser state as a single process would have them.

        All processes must call it, since it gathers shards; only the main process gets the result.
        """
        if prepared.zero:
            return prepared.zero.full_state(prepared.model, keep=self.main)
        state = prepared.optimizer.state_dict()
        if not self._shard:
            return FullState(None, state)
        weights = self._gather_tensors(prepared.model.state_dict())
        moments = {i: self._gather_tensors(values) for i, values in state["state"].items()}
        return FullState(weights, {**state, "state": moments})

    def _gather_tensors(self, shards: Mapping[str, Any]) -> dict[str, Any]:
        """Return the full values, on the CPU of the main process; {} in the others."""
        values: dict[str, Any] = {}
        for name, shard in shards.items():
            value = _unshard(shard)
            if self.main:
                values[name] = value.cpu() if isinstance(value, Tensor) else value
        return values

    @contextmanager
    def evaluating(self, prepared: WrappedModel) -> Generator[None]:
        """Put the model into evaluation mode, unsharded, so that processes can run it alone."""
        parts: list[Any] = [module for module in prepared.forward.modules() if _is_sharded(module)]
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
        """Raise UserError if the model can't be evaluated between steps."""
        if self._stage == 3:
            raise UserError(
                "The model can't be evaluated during training with ZeRO stage 3.",
                "eval_every, zero",
                "Use shard=true or zero=2, or evaluate the checkpoints (keep=...) after training.",
            )

    def share(self, parts: Sequence[T]) -> list[T]:
        """Return this process's share of the parts, which are distributed round-robin."""
        return list(parts[self.rank :: self.processes])

    def any(self, value: bool) -> bool:
        """Return whether `value` is true in any process; all processes must call it."""
        return any(self.gather(value))

    def score(self, prepared: WrappedModel, rows: Sequence[PromptRow]) -> list[list[Tensor]]:
        """Return the token log-probabilities of each row's answers, as TokenLogProbs does."""
        logp: Tensor = prepared.forward(rows)
        lengths = [len(answer.ids) for row in rows for answer in row.answers]
        each = iter(torch.split(logp, lengths))
        return [[next(each) for _ in row.answers] for row in rows]

    def backward(self, prepared: WrappedModel, loss: Tensor) -> None:
        """Add the gradient of this process's part of the loss; the parts add up."""
        scaled = loss * self.processes  # gradients of the processes are averaged, not summed
        if prepared.zero:
            prepared.zero.backward(scaled)
        else:
            scaled.backward()  # pyright: ignore[reportUnknownMemberType]

    def accumulate(self, prepared: WrappedModel, last: bool) -> AbstractContextManager[Any]:
        """Return a context in which gradients are exchanged only if `last` in the step."""
        forward: Any = prepared.forward
        if prepared.zero:
            prepared.zero.accumulate(last)
            return nullcontext()
        if self._shard:
            forward.set_requires_gradient_sync(last)
            return nullcontext()
        return nullcontext() if last or self.processes == 1 else forward.no_sync()

    def step(self, prepared: WrappedModel) -> float:
        """Clip the gradient and step; return the full gradient's norm before clipping.

        No weight changes if the norm is not finite.
        """
        if prepared.zero:
            return prepared.zero.step()
        trained = [weight for weight in prepared.forward.parameters() if weight.requires_grad]
        limit = prepared.clip or float("inf")
        norm = float(_unshard(nn.utils.clip_grad_norm_(trained, limit)))
        if math.isfinite(norm):
            prepared.optimizer.step()
        prepared.optimizer.zero_grad(set_to_none=True)
        return norm

    def total(self, sums: Mapping[str, Tensor]) -> dict[str, float]:
        """Return each value summed over the processes, which must have the same names."""
        stacked = torch.stack([value.double() for value in sums.values()]).to(self._device)
        if self.processes > 1:
            dist.all_reduce(stacked)
        return dict(zip(sums, map(float, stacked), strict=True))

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes, by rank; all processes must call it."""
        if self.processes == 1:
            return [value]
        values: list[Any] = [None] * self.processes
        dist.all_gather_object(values, value)
        return values

    @property
    def arithmetic(self) -> str:
        """The type in which forward passes compute, "" if it is the weights' type."""
        return "bfloat16" if self._bf16 else ""

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the autocast context of forward passes."""
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16)

    def wait(self) -> None:
        """Wait for all processes."""
        self._state.wait_for_everyone()


def _is_set(variable: str) -> bool:
    """Return whether `accelerate launch` switched this environment variable on."""
    return os.environ.get(variable, "").lower() in ("1", "true", "yes")


def _is_sharded(module: nn.Module) -> bool:
    from torch.distributed.fsdp import FSDPModule

    return isinstance(module, FSDPModule)


def _blocks(model: Any) -> set[str]:
    """Return the class names of the model's repeated blocks, the units of sharding."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return set(inner._no_split_modules or ())


def _shard_like(weight: Any, value: Any) -> Any:
    """Shard a value of the optimiser state like its weight; return other shapes unchanged."""
    if not isinstance(value, Tensor) or value.shape != weight.shape:
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value, weight.device_mesh, weight.placements)


def _unshard(value: Any) -> Any:
    """Gather a sharded tensor from the processes; return anything else unchanged."""
    gather = getattr(value, "full_tensor", None)
    return gather() if gather is not None else value
