"""Direct preference optimisation.

Rafailov, Sharma, Mitchell, Ermon, Manning and Finn, 2023, arXiv 2305.18290, equation 7:

    L = -log sigmoid(beta * [log p(yw|x)/p_ref(yw|x) - log p(yl|x)/p_ref(yl|x)])

with log p(y|x) the sum over the answer's tokens, its end token included. Code and paper agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from groundtune.methods.pairwise import AnswerLogProbs, Pairwise

if TYPE_CHECKING:
    from torch import Tensor


class DPO(Pairwise):
    """DPO (arXiv 2305.18290, equation 7): log-ratios summed over all tokens of the answer."""

    type: Literal["dpo"] = "dpo"
    beta: float = Field(default=0.1, gt=0)
    """0.1 in the paper's dialogue experiments (its appendix B), in RLAIF-V's code and in TRL."""

    def score(self, side: AnswerLogProbs) -> Tensor:
        """Return the sum of the answer's log-ratios, shape (B,)."""
        return side.log_ratio_BT().sum(-1)
