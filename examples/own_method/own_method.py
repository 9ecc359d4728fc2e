"""A custom training method: DPO with a hinge, so that pairs with a large margin no longer pull.

SLiC-HF (Zhao and others 2023, arXiv 2305.10425) has the hinge on log-probabilities.
"""

from typing import Literal

from pydantic import Field

from groundtune.methods.pairwise import Pairwise


class Hinge(Pairwise):
    """L = max(0, target - beta * (log-ratio of chosen - log-ratio of rejected))."""

    type: Literal["hinge"] = "hinge"
    beta: float = Field(default=0.1, gt=0)
    """Scale of the log-ratios."""
    target: float = Field(default=1.0, gt=0)
    """Margin from which on a pair does not train."""

    def score(self, side):
        """Return the sum of the answer's log-ratios, shape (B,)."""
        return side.log_ratio_BT().sum(-1)

    def preference(self, margin_B):
        """Return what the margin lacks to the target, shape (B,)."""
        return (self.target - margin_B).clamp(min=0)
