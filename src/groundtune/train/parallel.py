"""The only file that knows of several processes: who they are, and what they must agree on.

Processes are started by `accelerate launch` or `torchrun`, on one machine or many. Each takes its
share of every step's pairs; gradients are averaged, by DDP or, where the weights are sharded, by
FSDP2 (`fully_shard`: each process keeps a part of every weight and of the optimiser's state).

DDP and FSDP2 act on a module's forward. An engine runs more than the model's own (it encodes images
once and hands them on), so what is wrapped is model and engine together: one call of the wrapped
module is one forward pass of rows, whatever it consists of.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import torch
import torch.distributed
from accelerate import PartialState  # pyright: ignore[reportMissingTypeStubs]
from torch import Tensor, nn
from torch.optim import Optimizer

from groundtune.engine.logprobs import TokenLogProbs
from groundtune.engine.rows import Row
from groundtune.errors import UserError
from groundtune.vlm.load import Vlm

T = TypeVar("T")

dist: Any = torch.distributed


class Forward(nn.Module):
    """Model and engine as one module, so that DDP and FSDP2 see all that a forward pass runs."""

    def __init__(self, vlm: Vlm, score: TokenLogProbs) -> None:
        super().__init__()
        self.model = vlm.model
        self._vlm = vlm
        self._score = score

    def forward(self, rows: Sequence[Row]) -> list[list[Tensor]]:
        """Log-probabilities of each row's answers' tokens, as TokenLogProbs gives them."""
        scored = self._score(self._vlm, rows)
        # FSDP2 hangs hooks on what comes out, which a view could lose
        return [[logp.clone() for logp in answers] for answers in scored]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Model and optimiser as the processes run them."""

    forward: nn.Module
    model: nn.Module
    """The model inside, whose weights may be parts of the whole."""
    optimizer: Optimizer


class Whole(NamedTuple):
    """What a checkpoint is made of, nothing of it cut."""

    weights: dict[str, Tensor] | None
    """None where the model itself holds them whole."""
    optimizer: dict[str, Any]


class Parallel:
    """The processes of a run. The model stays on the device on which it was loaded."""

    def __init__(self, device: torch.device, *, bf16: bool, shard: bool = False) -> None:
        """With `bf16`, forward passes of float32 weights compute in bfloat16.

        With `shard`, weights, gradients and the optimiser's state are cut into parts (FSDP2), else
        each process has them whole (DDP); `accelerate launch --use_fsdp` asks for it as well.

        Raises:
            UserError: DeepSpeed was asked for.
        """
        if _asked("ACCELERATE_USE_DEEPSPEED"):
            raise UserError(
                "DeepSpeed is not supported.",
                "accelerate launch --use_deepspeed",
                "Use --use_fsdp: sharding in full is what ZeRO stage 3 does.",
            )
        self._state: Any = PartialState(cpu=device.type == "cpu")
        self._device = device
        self._bf16 = bf16
        self._cut = (shard or _asked("ACCELERATE_USE_FSDP")) and self.processes > 1

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

    def prepare(self, vlm: Vlm, score: TokenLogProbs, optimizer: Optimizer) -> Prepared:
        """Model, engine and optimiser as this set-up runs them.

        Every process must hold the same weights and the same state of the optimiser.
        """
        forward = Forward(vlm, score)
        if self.processes == 1:
            return Prepared(forward=forward, model=vlm.model, optimizer=optimizer)
        if not self._cut:
            wrapped = nn.parallel.DistributedDataParallel(forward)
            return Prepared(forward=wrapped, model=vlm.model, optimizer=optimizer)
        self._shard_weights(forward, optimizer)
        return Prepared(forward=forward, model=vlm.model, optimizer=optimizer)

    def _shard_weights(self, forward: Forward, optimizer: Optimizer) -> None:
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

    def whole(self, prepared: Prepared) -> Whole:
        """Weights and optimiser's state as a single process would have them.

        All processes must call it where the weights are cut: it gathers them.
        """
        state = prepared.optimizer.state_dict()
        if not self._cut:
            return Whole(None, state)
        weights = {name: _whole(value) for name, value in prepared.model.state_dict().items()}
        each = {i: {k: _whole(v) for k, v in own.items()} for i, own in state["state"].items()}
        return Whole(weights, {**state, "state": each})

    def share(self, parts: Sequence[T]) -> list[T]:
        """This process's of parts that are handed out by turns."""
        return list(parts[self.rank :: self.processes])

    def any(self, said: bool) -> bool:
        """Whether a process says so, in all of them."""
        return any(self.gather(said))

    def backward(self, loss: Tensor) -> None:
        """Adds the gradient of this process's part of the loss; the parts add up."""
        (loss * self.processes).backward()  # pyright: ignore[reportUnknownMemberType]
        # the gradients of the processes are averaged, not summed

    def accumulate(self, prepared: Prepared, last: bool) -> AbstractContextManager[Any]:
        """Gradients are exchanged in a step's last forward pass only."""
        forward: Any = prepared.forward
        if self._cut:
            forward.set_requires_gradient_sync(last)
            return nullcontext()
        return nullcontext() if last or self.processes == 1 else forward.no_sync()

    def clip(self, parameters: Iterable[Tensor], norm: float) -> float:
        """Norm of the whole gradient before it was clipped to `norm`; 0 does not clip."""
        limit = norm if norm > 0 else float("inf")
        trained = [weight for weight in parameters if weight.requires_grad]
        return float(_whole(nn.utils.clip_grad_norm_(trained, limit)))

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
