"""KTO: each answer is wanted or not on its own, without a better or worse one to the same prompt.

Ethayarajh, Xu, Muennighoff, Jurafsky and Kiela, "KTO: Model Alignment as Prospect Theoretic
Optimization", 2024, arXiv 2402.01306, equation 8. With r = beta * log-ratio of an answer,

    wanted:    lambda_D * (1 - sigmoid(r - z0))
    unwanted:  lambda_U * (1 - sigmoid(z0 - r))

The reference point z0 is the paper's batch estimate of the KL divergence, without gradient. Here it
is a constant, 0 by default: a pair's loss must not depend on the rest of its batch.

A pair has its chosen answer as wanted and its rejected one as unwanted. With `thumbs`, ratings
decide instead: above 0 is wanted, below 0 unwanted, and an answer rated 0 does not count, so that
feedback on a single answer is a pair whose other side is rated 0 (`import thumbs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from groundtune.methods.pairwise import AnswerLogProbs, Need, PairLogProbs, Pairwise

if TYPE_CHECKING:
    from torch import Tensor


class KTO(Pairwise):
    """KTO (arXiv 2402.01306): wanted and unwanted answers, each with a loss of its own."""

    type: Literal["kto"] = "kto"
    beta: float = Field(default=0.1, gt=0)
    """0.1 in the paper."""
    wanted: float = Field(default=1.0, ge=0)
    """Weight of wanted answers, the paper's lambda_D: 1 there. Where one kind is rarer, the paper
    keeps wanted * number of wanted between 1 and 4/3 of unwanted * number of unwanted."""
    unwanted: float = Field(default=1.0, ge=0)
    """Weight of unwanted answers, lambda_U."""
    reference_point: float = 0.0
    """z0, nats."""
    thumbs: bool = False
    """Read from ratings which answers are wanted; an answer rated 0 does not count."""

    @property
    def needs(self) -> frozenset[Need]:
        """The reference, and with `thumbs` ratings."""
        return frozenset({"reference", "ratings"} if self.thumbs else {"reference"})

    def score(self, side: AnswerLogProbs) -> Tensor:
        """Return the sum of the answer's log-ratios, shape (B,)."""
        return side.log_ratio_BT().sum(-1)

    def preference(self, margin_B: Tensor) -> Tensor:
        """Return zeros: no answer is compared with another."""
        return margin_B.new_zeros(margin_B.shape)

    def terms(self, pairs: PairLogProbs) -> dict[str, Tensor]:
        """Return the losses of wanted and of unwanted answers."""
        wanted_B = self._loss(pairs.chosen, 1.0, desirable=True)
        unwanted_B = self._loss(pairs.chosen, 1.0, desirable=False)
        return {
            "wanted": wanted_B + self._loss(pairs.rejected, -1.0, desirable=True),
            "unwanted": unwanted_B + self._loss(pairs.rejected, -1.0, desirable=False),
        }

    def _loss(self, side: AnswerLogProbs, sign: float, *, desirable: bool) -> Tensor:
        """The loss of a side's answers that are wanted, or unwanted; 0 for the others, (B,)."""
        from torch.nn.functional import sigmoid

        reward_B = self.beta * self.score(side)
        mark_B = reward_B.new_full(reward_B.shape, sign)
        if self.thumbs and side.rating_B is not None:
            mark_B = side.rating_B
        if desirable:
            loss_B = self.wanted * sigmoid(self.reference_point - reward_B)
            return loss_B * (mark_B > 0)
        return self.unwanted * sigmoid(reward_B - self.reference_point) * (mark_B < 0)
