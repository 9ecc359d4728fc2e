"""DPO for noisy preferences: a known share of the pairs is labelled the wrong way round.

Mitchell, "A note on DPO with noisy preferences and relationship to IPO", 2023 (no arXiv id): with
m = beta * (log-ratio of chosen - log-ratio of rejected) and a share epsilon of swapped pairs,

    L = -(1 - epsilon) * log sigmoid(m) - epsilon * log sigmoid(-m)

This is cDPO: a margin beyond log((1 - epsilon) / epsilon) is pushed back.
With `unbiased`, the loss of Chowdhury, Kini and Natarajan, "Provably Robust DPO", 2024, arXiv
2403.00409:

    L = (-(1 - epsilon) * log sigmoid(m) + epsilon * log sigmoid(-m)) / (1 - 2 * epsilon)

whose mean over swapped and correct pairs is DPO's loss on the correct ones. It has no such limit.
Both follow the published formulas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from groundtune.methods.pairwise import AnswerLogProbs, Pairwise

if TYPE_CHECKING:
    from torch import Tensor


class CDPO(Pairwise):
    """cDPO (Mitchell, 2023) and robust DPO (arXiv 2403.00409): DPO with label smoothing."""

    type: Literal["cdpo"] = "cdpo"
    beta: float = Field(default=0.1, gt=0)
    """0.1, as in DPO and in Robust DPO's experiments."""
    epsilon: float = Field(default=0.1, ge=0, lt=0.5)
    """Share of pairs that are labelled the wrong way round. 0 is DPO; 0.1 in Robust DPO's
    experiments."""
    unbiased: bool = False
    """Use Robust DPO's loss instead of cDPO's."""

    def score(self, side: AnswerLogProbs) -> Tensor:
        """Sum of the answer's log-ratios, shape (B,)."""
        return side.log_ratio_BT().sum(-1)

    def preference(self, margin_B: Tensor) -> Tensor:
        """Weigh the losses of both orders of the pair by their probability."""
        from torch.nn.functional import logsigmoid

        right_B, wrong_B = -logsigmoid(margin_B), -logsigmoid(-margin_B)
        if self.unbiased:
            weighted_B = (1 - self.epsilon) * right_B - self.epsilon * wrong_B
            return weighted_B / (1 - 2 * self.epsilon)
        return (1 - self.epsilon) * right_B + self.epsilon * wrong_B
