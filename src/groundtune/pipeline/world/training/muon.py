"""Muon, whose steps are computed in whatever the machine multiplies natively.

PyTorch's own Muon always takes bfloat16, which on a CPU without it made a step of the world's
training six times as long.
"""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor

from groundtune.train.precision import native_bf16

_MOMENTUM = 0.95
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Momentum whose direction is made orthogonal, for matrices between hidden layers.

    Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024), with
    Nesterov momentum; the step is 0.2 sqrt(max(rows, columns)) times the learning rate, so that it
    is as large as one of AdamW (arXiv 2502.16982, section 2.2), and decay is decoupled.
    """

    def __init__(
        self, groups: Iterable[dict[str, object]], weight_decay: float, dtype: torch.dtype | None
    ) -> None:
        """Each group has its `params`, matrices, and its `lr`; dtype None is what is native."""
        super().__init__(groups, {"lr": 0.0, "weight_decay": weight_decay})
        fast = native_bf16(torch.device("cpu"))
        self._dtype = dtype or (torch.bfloat16 if fast else torch.float32)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One step along the gradients that are there."""
        for group in self.param_groups:
            rate, decay = cast(float, group["lr"]), cast(float, group["weight_decay"])
            weights = cast(list[Tensor], group["params"])
            for weight in weights:
                if weight.grad is None:
                    continue
                state = cast(dict[str, Tensor], self.state[weight])
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(weight)
                momentum = state["momentum_buffer"]
                momentum.lerp_(weight.grad, 1 - _MOMENTUM)
                direction = orthogonal(weight.grad.lerp(momentum, _MOMENTUM), self._dtype)
                weight.mul_(1 - rate * decay)
                weight.add_(direction, alpha=-rate * 0.2 * max(weight.shape) ** 0.5)


def orthogonal(matrix: Tensor, dtype: torch.dtype) -> Tensor:
    """The matrix with singular values near 1 in place of its own, the directions kept.

    Five iterations of the quintic Newton-Schulz polynomial of Muon, computed in `dtype`.
    """
    a, b, c = _COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    flat = (matrix.T if tall else matrix).to(dtype)
    size = flat.float().square().sum().sqrt().clamp(min=1e-7)
    flat = torch.div(flat, size.to(dtype))
    for _ in range(_ITERATIONS):
        gram = torch.mm(flat, flat.T)
        flat = torch.addmm(flat, torch.addmm(gram, gram, gram, beta=b, alpha=c), flat, beta=a)
    return flat.T if tall else flat
