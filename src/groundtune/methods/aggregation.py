"""What a mean over tokens is: the one place that turns losses of tokens into a loss of a step.

Weights are computed for a step's whole batch, of all processes and micro-batches, so 1 x 8, 2 x 4
and 8 x 1 give the same loss.

Shapes: B answers, T tokens of the longest answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Aggregation = Literal["token", "sequence", "constant"]
"""token: mean over all tokens of the batch (DAPO, arXiv 2503.14476); long answers weigh more.
sequence: mean over answers of the mean over their tokens (GRPO, arXiv 2402.03300); tokens of short
answers weigh more. constant: sum over tokens, divided by answers times the longest allowed answer
(Dr. GRPO, arXiv 2503.20783): in expectation the gradient of the reward, times a constant."""


def token_weights(mask_BT: Tensor, how: Aggregation, longest: int) -> Tensor:
    """Return the weight of each token's loss in a step's sum, fp64, 0 on padding.

    Args:
        mask_BT: Bool: the tokens of all answers of the step that count.
        how: What a mean is.
        longest: The most tokens that an answer may have.
    """
    mask = mask_BT.double()
    if how == "token":
        return mask / mask.sum().clamp(min=1)
    if how == "sequence":
        return mask / mask.sum(-1, keepdim=True).clamp(min=1) / len(mask)
    return mask / (len(mask) * longest)
