"""A squared loss that pulls the difference of log-ratios to a target, 1 / (2 beta).

Azar, Rowland, Piot, Guo, Calandriello, Valko and Munos, "A General Theoretical Paradigm to
Understand Learning from Human Preferences", 2023, arXiv 2310.12036, equation 17 (its tau is beta):

    L = (h - 1 / (2 * beta))^2      h = log-ratio of chosen - log-ratio of rejected

DPO's logistic loss rewards an ever larger margin, even where every labeler agrees; the squared loss
does not. The paper sums log-ratios over the answer's tokens; TRL averages them (`reduce: mean`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from groundtune.methods.pairwise import AnswerLogProbs, Pairwise

if TYPE_CHECKING:
    from torch import Tensor


class IPO(Pairwise):
    """IPO (arXiv 2310.12036, equation 17): a squared distance from a target margin."""

    type: Literal["ipo"] = "ipo"
    beta: float = Field(default=0.1, gt=0)
    """The paper's tau; the target margin is 1 / (2 beta). 0.1 is TRL's default."""
    reduce: Literal["sum", "mean"] = "sum"
    """Sum an answer's log-ratios as in the paper, or average them as in TRL."""

    def score(self, side: AnswerLogProbs) -> Tensor:
        """Return the sum or mean of the answer's log-ratios, shape (B,)."""
        total_B = side.log_ratio_BT().sum(-1)
        return total_B / side.tokens_B() if self.reduce == "mean" else total_B

    def preference(self, margin_B: Tensor) -> Tensor:
        """Return the squared distance to the target, in unscaled log-ratios."""
        return (margin_B / self.beta - 1 / (2 * self.beta)) ** 2
