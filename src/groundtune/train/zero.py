"""DeepSpeed's ZeRO (Rajbhandari et al., 2020, arXiv 1910.02054): the only file that knows of it.

Each process holds a part of the optimiser's state (stage 1), of the gradients too (stage 2), of the
weights too (stage 3). DeepSpeed keeps its parts in flat buffers of its own. What a checkpoint has
is gathered from them weight by weight and put back so, in the layout of one process's optimiser:
any number of processes, with or without ZeRO, goes on from it.

Of DeepSpeed's settings the recipe decides all: batches, clipping, arithmetic and rates are the
trainer's own. Weights that are trained are held in float32, and autocast is set inside the forward.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from groundtune.errors import UserError

MOMENTS = ("exp_avg", "exp_avg_sq")
"""What AdamW keeps of each weight, in the weight's shape."""

_BUCKET = 50_000_000
"""Numbers that are exchanged at once: 200 MB, a tenth of DeepSpeed's own default."""


class FullState(NamedTuple):
    """What a checkpoint is made of, nothing of it cut."""

    weights: dict[str, Tensor] | None
    """None where the model itself holds them whole; only the main process has them all."""
    optimizer: dict[str, Any]


def requested_stage(stage: int) -> int:
    """The recipe's stage, or that of `accelerate launch --use_deepspeed`; 0 is none.

    Raises:
        UserError: the launcher has settings that are the recipe's, or that aren't supported.
    """
    if os.environ.get("ACCELERATE_USE_DEEPSPEED", "").lower() not in ("1", "true", "yes"):
        return stage
    extra = [
        name
        for name in ("CONFIG_FILE", "OFFLOAD_OPTIMIZER_DEVICE", "OFFLOAD_PARAM_DEVICE")
        if os.environ.get(f"ACCELERATE_DEEPSPEED_{name}", "none").lower() != "none"
    ]
    if extra:
        raise UserError(
            "DeepSpeed's configuration files and offloading are not supported.",
            f"accelerate launch: {', '.join(extra).lower()}",
            "Give the stage alone, --zero_stage 2 or 3; the recipe has the rest.",
        )
    return int(os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "2"))


class Zero:
    """A run's weights and optimiser in DeepSpeed's hands."""

    def __init__(
        self, forward: nn.Module, optimizer: Optimizer, *, stage: int, clip: float, device: str
    ) -> None:
        """Every process must hold the same weights and the same state of the optimiser."""
        self._stage = stage
        self._optimizer = optimizer
        self._groups = optimizer.state_dict()["param_groups"]
        self._trained = [weight for g in optimizer.param_groups for weight in g["params"]]
        known = {weight: dict(own) for weight, own in optimizer.state.items()}
        optimizer.state.clear()
        deepspeed = _deepspeed(device)
        with redirect_stdout(sys.stderr):
            self.engine: Any = deepspeed.initialize(
                model=forward, optimizer=optimizer, config=_config(stage, clip)
            )[0]
        self._tools: Any = import_module("deepspeed.utils")
        self._gathered: Any = deepspeed.zero.GatheredParameters
        if known:
            self._put(known)

    def accumulate(self, last: bool) -> None:
        """Says whether the forward pass that comes is a step's last."""
        self.engine.set_gradient_accumulation_boundary(last)

    def backward(self, loss: Tensor) -> None:
        """Adds the gradient of a loss; the processes' are averaged."""
        self.engine.backward(loss, scale_wrt_gas=False)

    def step(self) -> float:
        """Clips and steps; the norm before clipping, infinite where nothing was changed for it."""
        self.engine.step()
        return float(self.engine.get_global_grad_norm())

    def full_state(self, model: nn.Module, *, keep: bool) -> FullState:
        """Weights and optimiser's state as one process would have them; all must call it.

        Only with `keep` are they kept, on the CPU.
        """
        self._link()
        each = [
            {name: self._tools.safe_get_full_optimizer_state(weight, name) for name in MOMENTS}
            for weight in self._trained
        ]
        step = next(own["step"] for own in self._optimizer.state.values() if own)
        state = {
            index: {"step": step.cpu().clone(), **{k: v.cpu() for k, v in own.items()}}
            for index, own in enumerate(each)
            if keep
        }
        rates = [group["lr"] for group in self._optimizer.param_groups]
        groups = [{**g, "lr": rate} for g, rate in zip(self._groups, rates, strict=True)]
        weights = self._weights(model, keep) if self._stage == 3 else None
        return FullState(weights, {"state": state, "param_groups": groups})

    def _weights(self, model: nn.Module, keep: bool) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for name, value in model.state_dict(keep_vars=True).items():
            with self._gathered([value], enabled=hasattr(value, "ds_id")):
                if keep:
                    found[name] = value.detach().cpu().clone()
        return found

    def _put(self, known: Mapping[Tensor, Mapping[str, Tensor]]) -> None:
        """Puts each weight's moments into the flat buffers, of which AdamW has no state yet."""
        step = next(iter(known.values()))["step"]
        inner = self.engine.optimizer
        flat: Sequence[Tensor] = (
            inner.fp32_partitioned_groups_flat
            if self._stage == 3
            else inner.single_partition_of_fp32_groups
        )
        for part in flat:
            moments = {name: torch.zeros_like(part) for name in MOMENTS}
            self._optimizer.state[part] = {"step": step.clone().to(part.device), **moments}
        self._link()
        for weight, own in known.items():
            for name in MOMENTS:
                self._put_one(weight, own[name], name)

    def _link(self) -> None:
        """Has each weight know where its moments stand in the flat buffers of stages 1 and 2.

        DeepSpeed does it by itself after the first of the optimiser's groups was stepped, when the
        others have no moments yet.
        """
        if self._stage < 3:
            inner = self.engine.optimizer
            inner._hp_optimizer_states_linked = False
            inner._lazy_init_hp_params_optimizer_state()

    def _put_one(self, weight: Any, value: Tensor, name: str) -> None:
        if self._stage < 3:
            self._tools.safe_set_full_optimizer_state(weight, value, name)
            return
        # the last process's part may reach beyond the weight: what is there counts for nothing
        size, rank = weight.ds_tensor.numel(), torch.distributed.get_rank()
        own = value.flatten()[rank * size : (rank + 1) * size]
        part = nn.functional.pad(own, (0, size - own.numel()))
        self._tools.safe_set_local_optimizer_state(weight, part, name)


def check_installed() -> None:
    """Raises UserError where DeepSpeed is not installed."""
    if find_spec("deepspeed") is None:
        raise UserError(
            "DeepSpeed is not installed.",
            "zero",
            'Run pip install "groundtune[deepspeed]", or cut the weights with shard=true.',
        )


def _deepspeed(device: str) -> Any:
    if device == "cpu":
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    with redirect_stdout(sys.stderr):  # what it logs is no result
        return import_module("deepspeed")


def _config(stage: int, clip: float) -> dict[str, Any]:
    """DeepSpeed's settings; a step's forward passes are told apart by `accumulate`."""
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": clip,
        "zero_allow_untested_optimizer": True,  # torch's own AdamW
        "zero_optimization": {
            "stage": stage,
            "reduce_bucket_size": _BUCKET,
            "allgather_bucket_size": _BUCKET,
        },
        "steps_per_print": sys.maxsize,
    }
