"""Supervised fine-tuning on the chosen answers.

This is not a preference method: it needs no rejected answers and no reference. RLHF-V
(Yu et al. 2023, arXiv 2312.00849, 4.1) and RLAIF-V (2024, arXiv 2405.17220, 3.2) have such a stage
before preference training. Models that split answers into claims are trained this way too. A
pair's loss is

    L = -mean over the chosen answer's tokens of log p(token)

so a long answer has the same weight as a short one; with `reduce: sum` all tokens weigh the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from groundtune.methods.pairwise import AnswerLogProbs, Need, PairLogProbs, Pairwise

if TYPE_CHECKING:
    from torch import Tensor


class SFT(Pairwise):
    """Supervised fine-tuning: the likelihood of the chosen answers."""

    type: Literal["sft"] = "sft"
    beta: float = Field(default=1.0, gt=0)
    """Scale of the logged rewards; it does not affect training."""
    reduce: Literal["mean", "sum"] = "mean"
    """Average or sum over an answer's tokens."""

    @property
    def needs(self) -> frozenset[Need]:
        """Nothing."""
        return frozenset()

    @property
    def compares(self) -> bool:
        """No: only the chosen answers are learnt."""
        return False

    def score(self, side: AnswerLogProbs) -> Tensor:
        """Return the mean (or sum) of the answer's log-probabilities, shape (B,)."""
        return side.logp_B() / side.tokens_B() if self.reduce == "mean" else side.logp_B()

    def preference(self, margin_B: Tensor) -> Tensor:
        """Return zeros: the rejected answers don't count."""
        return margin_B.new_zeros(margin_B.shape)

    def terms(self, pairs: PairLogProbs) -> dict[str, Tensor]:
        """Return the likelihood term, which is the whole loss."""
        return {"likelihood": -self.score(pairs.chosen)}
