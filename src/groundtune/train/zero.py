"""DeepSpeed's ZeRO (Rajbhandari et al., 2020, arXiv 1910.02054); no other file uses DeepSpeed.

ZeRO shards the optimiser state (stage 1), also the gradients (stage 2), also the weights (stage 3)
over the processes, in flat buffers. A checkpoint gathers them weight by weight into the layout of a
single process's optimiser, and restores them the same way: any number of processes, with or without
ZeRO, can resume from it.

The recipe sets everything that DeepSpeed could configure: the trainer handles batches, clipping,
arithmetic and learning rates. Trained weights are float32, and autocast is set inside the forward.
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
"""AdamW's state of each weight, in the weight's shape."""

_BUCKET = 50_000_000
"""Numbers to exchange at once: 200 MB, a tenth of DeepSpeed's default."""


class FullState(NamedTuple):
    """The unsharded weights and optimiser state, for a checkpoint."""

    weights: dict[str, Tensor] | None
    """None if the model itself holds the full weights; complete only in the main process."""
    optimizer: dict[str, Any]


def requested_stage(stage: int) -> int:
    """Return the stage of the recipe or of `accelerate launch --use_deepspeed`; 0 is none.

    Raises:
        UserError: the launcher has settings that belong to the recipe or aren't supported.
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
            "Set only the stage, --zero_stage 2 or 3; the recipe has the other settings.",
        )
    return int(os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "2"))


class Zero:
    """A run's weights and optimiser, managed by DeepSpeed."""

    def __init__(
        self, forward: nn.Module, optimizer: Optimizer, *, stage: int, clip: float, device: str
    ) -> None:
        """Every process must have the same weights and optimiser state."""
        self._stage = stage
        self._optimizer = optimizer
        self._groups = optimizer.state_dict()["param_groups"]
        self._trained = [weight for g in optimizer.param_groups for weight in g["params"]]
        state = {weight: dict(values) for weight, values in optimizer.state.items()}
        optimizer.state.clear()
        deepspeed = _deepspeed(device)
        with redirect_stdout(sys.stderr):
            self.engine: Any = deepspeed.initialize(
                model=forward, optimizer=optimizer, config=_config(stage, clip)
            )[0]
        self._tools: Any = import_module("deepspeed.utils")
        self._gather: Any = deepspeed.zero.GatheredParameters
        if state:
            self._restore(state)

    def accumulate(self, last: bool) -> None:
        """Declare whether the next forward pass is the last of its step."""
        self.engine.set_gradient_accumulation_boundary(last)

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a loss; gradients are averaged over the processes."""
        self.engine.backward(loss, scale_wrt_gas=False)

    def step(self) -> float:
        """Clip and step; return the norm before clipping. If it isn't finite, nothing changes."""
        self.engine.step()
        return float(self.engine.get_global_grad_norm())

    def full_state(self, model: nn.Module, *, keep: bool) -> FullState:
        """Return weights and optimiser state as one process would have them; all must call it.

        Without `keep` the result is empty; with it, the result is on the CPU.
        """
        self._link()
        moments = [
            {name: self._tools.safe_get_full_optimizer_state(weight, name) for name in MOMENTS}
            for weight in self._trained
        ]
        step = next(values["step"] for values in self._optimizer.state.values() if values)
        state = {
            index: {"step": step.cpu().clone(), **{k: v.cpu() for k, v in values.items()}}
            for index, values in enumerate(moments)
            if keep
        }
        rates = [group["lr"] for group in self._optimizer.param_groups]
        groups = [{**g, "lr": rate} for g, rate in zip(self._groups, rates, strict=True)]
        weights = self._weights(model, keep) if self._stage == 3 else None
        return FullState(weights, {"state": state, "param_groups": groups})

    def _weights(self, model: nn.Module, keep: bool) -> dict[str, Tensor]:
        weights: dict[str, Tensor] = {}
        for name, value in model.state_dict(keep_vars=True).items():
            with self._gather([value], enabled=hasattr(value, "ds_id")):
                if keep:
                    weights[name] = value.detach().cpu().clone()
        return weights

    def _restore(self, state: Mapping[Tensor, Mapping[str, Tensor]]) -> None:
        """Write each weight's moments into the flat buffers, for which AdamW has no state yet."""
        step = next(iter(state.values()))["step"]
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
        for weight, values in state.items():
            for name in MOMENTS:
                self._restore_moment(weight, values[name], name)

    def _link(self) -> None:
        """Link each weight to its moments in the flat buffers of stages 1 and 2.

        DeepSpeed itself does so after it stepped the first of the optimiser's groups, when the
        other groups have no moments yet.
        """
        if self._stage < 3:
            inner = self.engine.optimizer
            inner._hp_optimizer_states_linked = False
            inner._lazy_init_hp_params_optimizer_state()

    def _restore_moment(self, weight: Any, value: Tensor, name: str) -> None:
        if self._stage < 3:
            self._tools.safe_set_full_optimizer_state(weight, value, name)
            return
        # the last process's shard may extend beyond the weight; its end is padding
        size, rank = weight.ds_tensor.numel(), torch.distributed.get_rank()
        shard = value.flatten()[rank * size : (rank + 1) * size]
        padded = nn.functional.pad(shard, (0, size - shard.numel()))
        self._tools.safe_set_local_optimizer_state(weight, padded, name)


def check_installed() -> None:
    """Raise UserError if DeepSpeed is not installed."""
    if find_spec("deepspeed") is None:
        raise UserError(
            "DeepSpeed is not installed.",
            "zero",
            'Run pip install "groundtune[deepspeed]", or shard the weights with shard=true.',
        )


def _deepspeed(device: str) -> Any:
    if device == "cpu":
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    with redirect_stdout(sys.stderr):  # stdout is for results, and DeepSpeed logs there
        return import_module("deepspeed")


def _config(stage: int, clip: float) -> dict[str, Any]:
    """Return DeepSpeed's settings; `accumulate` marks the last forward pass of a step."""
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
