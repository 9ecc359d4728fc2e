"""PPO's clipped value loss.

    L = 1/2 max((V - R)^2, (clip(V, V_old - c, V_old + c) - R)^2)

as in the code of Stiennon et al. 2020 (arXiv 2009.01325) and of LLaVA-RLHF, c = 0.2 there.

Shapes: B answers, T tokens of the longest answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def value_loss(
    value_BT: Tensor, old_BT: Tensor, return_BT: Tensor, mask_BT: Tensor, *, clip: float = 0.2
) -> Tensor:
    """Return the clipped value loss of each token, fp64, 0 on padding.

    Args:
        value_BT: Values of the model in training, with gradient.
        old_BT: Values at the start of the step.
        return_BT: What they should be.
        mask_BT: Bool: the answers' own tokens.
        clip: The farthest that a value may move from the old one; 0 doesn't clip.
    """
    import torch

    value_BT, old_BT, return_BT = value_BT.double(), old_BT.double(), return_BT.double()
    loss_BT = (value_BT - return_BT) ** 2
    if clip:
        near_BT = old_BT + (value_BT - old_BT).clamp(-clip, clip)
        loss_BT = torch.maximum(loss_BT, (near_BT - return_BT) ** 2)
    return 0.5 * loss_BT.masked_fill(~mask_BT, 0.0)
