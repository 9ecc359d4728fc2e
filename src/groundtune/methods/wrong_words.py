"""The loss of token-level reward models: which tokens of an answer are wrong.

TLDR (Fu et al., ICLR 2025, arXiv 2410.04734): each token has a value, trained with the
cross-entropy of "this token is right". A token's loss is averaged over its answer, and wrong tokens
weigh `wrong_weight` times, since they are few.

    L = sum_t w_t * CE(sigmoid(v_t), right_t) / sum_t w_t

Shapes: B answers, T tokens of the longest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from groundtune.methods.pairwise import Loss

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedValues:
    """The values of the tokens of corrected answers, and which tokens were marked."""

    value_BT: Tensor
    wrong_BT: Tensor
    """Bool: the token touches a marked span."""
    mask_BT: Tensor
    """Bool: false on padding and on tokens without text."""


class WrongWords(BaseModel):
    """The cross-entropy of right and wrong tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    wrong_weight: float = Field(default=1.0, gt=0)
    """Weight of a wrong token; a right one weighs 1."""

    def loss(self, pairs: MarkedValues) -> Loss:
        """Return the loss of each answer and its metrics for the log."""
        from torch.nn.functional import softplus

        value_BT, wrong_BT = pairs.value_BT.double(), pairs.wrong_BT.double()
        mask_BT = pairs.mask_BT.double()
        weight_BT = mask_BT * (1 + (self.wrong_weight - 1) * wrong_BT)
        sign_BT = 1 - 2 * wrong_BT  # -log sigmoid(v) if right, -log sigmoid(-v) if wrong
        each_BT = softplus(-sign_BT * value_BT)
        value_B = (weight_BT * each_BT).sum(-1) / weight_BT.sum(-1).clamp(min=1)
        tokens_B = mask_BT.sum(-1).clamp(min=1)
        right_B = ((sign_BT * value_BT > 0).double() * mask_BT).sum(-1) / tokens_B
        metrics = {
            "accuracy": right_B,
            "wrong_tokens": (wrong_BT * mask_BT).sum(-1),
            "tokens_read": tokens_B,
        }
        return Loss(value_B, {name: each_B.detach() for name, each_B in metrics.items()})
