"""A margin with a target: the log-ratios' difference is pulled to 1 / (2 beta), and no further.

Azar, Rowland, Piot, Guo, Calandriello, Valko and Munos, "A General Theoretical Paradigm to
Understand Learning from Human Preferences", 2023, arXiv 2310.12036, equation 17 (its tau is beta):

    L = (h - 1 / (2 * beta))^2      h = log-ratio of chosen - log-ratio of rejected

DPO's logistic loss rewards a larger margin without end, also where every labeler agrees; the square
does not. The paper's log-ratios are sums over the answer's tokens; TRL takes their mean, which is
`reduce: mean`.
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
    """An answer's log-ratios: summed as in the paper, or their mean as in TRL."""

    def score(self, side: AnswerLogProbs) -> Tensor:
        """Sum or mean of the answer's log-ratios, shape (B,)."""
        total_B = side.log_ratio_BT().sum(-1)
        return total_B / side.tokens_B() if self.reduce == "mean" else total_B

    def preference(self, margin_B: Tensor) -> Tensor:
        """Square of the distance to the target, in unscaled log-ratios."""
        return (margin_B / self.beta - 1 / (2 * self.beta)) ** 2
