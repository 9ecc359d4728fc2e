"""AdamW's settings, learning rate schedule and weight decay."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import AdamW

_Share = Annotated[float, Field(ge=0, lt=1)]


class Optim(BaseModel):
    """Settings of AdamW with warm-up and a learning rate schedule."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lr: float = Field(default=5e-7, gt=0)
    """Peak learning rate: 5e-7 for full weights in RLHF-V and RLAIF-V, 1e-5 in RLAIF-V's LoRA
    script."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """Schedule after the warm-up; cosine and linear end at 0. Cosine in RLHF-V and RLAIF-V."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps with a linearly growing rate: 0.1 in RLHF-V's paper, 0.03 in its public
    command, 0.05 in RLAIF-V's code."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Weight decay of matrices only: 0 in RLHF-V, 0.01 in RLAIF-V's code."""
    betas: tuple[_Share, _Share] = (0.9, 0.999)
    """AdamW's defaults, as in the published code."""
    clip: float = Field(default=1.0, ge=0)
    """Maximum gradient norm: 1 is the default of the trainer in the published code; 0 does not
    clip."""

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of a step, counted from 0, of `steps`."""
        warmup = math.ceil(self.warmup * steps)
        if step < warmup:
            return self.lr * (step + 1) / (warmup + 1)
        progress = (step - warmup) / max(1, steps - warmup)
        if self.schedule == "cosine":
            return self.lr * 0.5 * (1 + math.cos(math.pi * progress))
        return self.lr * (1 - progress) if self.schedule == "linear" else self.lr


def adamw(parameters: "Iterable[Tensor]", optim: Optim) -> "AdamW":
    """Return the optimiser; vectors (norms, biases) do not decay."""
    from torch.optim import AdamW

    trained = [each for each in parameters if each.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": optim.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    # Fused, a weight's update is one pass over it: 8 times as fast on a CPU.
    return AdamW(
        [group for group in groups if group["params"]],
        lr=optim.lr,
        betas=optim.betas,
        fused=True,
    )
