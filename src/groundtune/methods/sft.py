"""Supervised fine-tuning: the likelihood of the chosen answers, as language models are trained.

Not a preference method: the rejected answers are not looked at, and no reference is run. RLHF-V
(Yu et al. 2023, arXiv 2312.00849, 4.1) and RLAIF-V (2024, arXiv 2405.17220, 3.2) have such a stage
before theirs, and for the models that divide answers into claims. A pair's loss is

    L = -mean over the chosen answer's tokens of log p(token)

so that a long answer weighs as much as a short one; with `reduce: sum` each token weighs the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from groundtune.methods.pairwise import AnswerLogProbs, Need, PairLogProbs, Pairwise

if TYPE_CHECKING:
    from torch import Tensor


class SFT(Pairwise):
    """The likelihood of the chosen answers alone."""

    type: Literal["sft"] = "sft"
    beta: float = Field(default=1.0, gt=0)
    """Scales the logged rewards; it has no effect on what is learnt."""
    reduce: Literal["mean", "sum"] = "mean"
    """Over an answer's tokens."""

    @property
    def needs(self) -> frozenset[Need]:
        """Nothing."""
        return frozenset()

    def score(self, side: AnswerLogProbs) -> Tensor:
        """Mean (or sum) of the answer's log-probabilities, shape (B,)."""
        return side.logp_B() / side.tokens_B() if self.reduce == "mean" else side.logp_B()

    def preference(self, margin_B: Tensor) -> Tensor:
        """None: the rejected answers don't count."""
        return margin_B.new_zeros(margin_B.shape)

    def terms(self, pairs: PairLogProbs) -> dict[str, Tensor]:
        """All of the loss."""
        return {"likelihood": -self.score(pairs.chosen)}
