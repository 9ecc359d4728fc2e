"""DPO with a beta that grows with the margin of the answers' ratings.

Zhang and others, "MM-RLHF: The Next Step Forward in Multimodal LLM Alignment", 2025, arXiv
2502.10391, dynamic reward scaling. With d = rating(chosen) - rating(rejected) of a reward model,

    beta' = beta * (1 + w * (1 - exp(-k * d)))
    L = -log sigmoid(beta' * (log-ratio of chosen - log-ratio of rejected))

so beta' is between beta and (1 + w) * beta for d >= 0. The released code
(github.com/Kwai-YuanQi/MM-RLHF) multiplies w by a factor from its data, and sets w to 0.1. Like
this file, it keeps beta' at 0.001 or more, because ratings may contradict a pair. It swaps the two
sigmoids and sets label_smoothing to 1, which gives the same loss, and it adds 0.25 times a
likelihood term, here `sft_weight`, the mean over the chosen answer's tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from groundtune.methods.pairwise import AnswerLogProbs, Need, PairLogProbs, Pairwise

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST_BETA = 1e-3
"""The bound in the released code."""


class MMDPO(Pairwise):
    """MM-DPO (arXiv 2502.10391): beta scaled by the margin of the answers' ratings."""

    type: Literal["mm_dpo"] = "mm_dpo"
    beta: float = Field(default=0.1, gt=0)
    """0.1 in the paper and the code."""
    w: float = Field(default=0.5, ge=0)
    """How much beta may grow: 0.5 in the paper, 0.1 in its public command. 0 is DPO."""
    k: float = Field(default=0.5, gt=0)
    """How fast beta grows with the margin of ratings, per unit of rating: 0.5 in the paper."""
    sft_weight: float = Field(default=0.0, ge=0)
    """Weight of the chosen answer's mean negative log-likelihood: 0.25 in the public command."""

    @property
    def needs(self) -> frozenset[Need]:
        """The reference and the ratings of both answers."""
        return frozenset({"reference", "ratings"})

    def score(self, side: AnswerLogProbs) -> Tensor:
        """Return the sum of the answer's log-ratios, shape (B,)."""
        return side.log_ratio_BT().sum(-1)

    def scale(self, pairs: PairLogProbs) -> Tensor:
        """Return the beta of each pair, shape (B,)."""
        better, worse = pairs.chosen.rating_B, pairs.rejected.rating_B
        assert better is not None, "the loader provides what a method needs"
        assert worse is not None
        grown_B = 1 + self.w * (1 - (-self.k * (better - worse)).exp())
        return (self.beta * grown_B).clamp(min=SMALLEST_BETA)

    def terms(self, pairs: PairLogProbs) -> dict[str, Tensor]:
        """Return the likelihood term if it has a weight."""
        if not self.sft_weight:
            return {}
        chosen = pairs.chosen
        return {"sft": -self.sft_weight * chosen.logp_B() / chosen.tokens_B()}
