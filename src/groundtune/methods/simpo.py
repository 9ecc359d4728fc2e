"""Length-normalised rewards with a target margin, without a reference model.

Meng, Xia and Chen, "SimPO: Simple Preference Optimization with a Reference-Free Reward", 2024,
arXiv 2405.14734, equation 6:

    L = -log sigmoid(beta / |yw| * log p(yw|x) - beta / |yl| * log p(yl|x) - gamma)

An answer's reward is its mean log-probability, the quantity that decoding maximises, so length
alone earns nothing. It needs no reference. The published code sets gamma as a share of beta
(gamma_beta_ratio); here it is the paper's gamma itself.

There are two variants. With `reference`, log p becomes log p - log p_ref, which gives a
length-normalised DPO. With `reduce: sum` lengths don't count; with both and gamma 0 it is DPO.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from groundtune.methods.pairwise import AnswerLogProbs, Need, Pairwise

if TYPE_CHECKING:
    from torch import Tensor


class SimPO(Pairwise):
    """SimPO (arXiv 2405.14734, equation 6): mean log-probabilities and a target margin."""

    type: Literal["simpo"] = "simpo"
    beta: float = Field(default=2.0, gt=0)
    """2.0 or 2.5 in the paper's main settings."""
    gamma: float = Field(default=1.0, ge=0)
    """Target margin: 0.3 to 1.6 in the paper's main settings, 1.0 for Llama-3-Base."""
    reduce: Literal["mean", "sum"] = "mean"
    """Average or sum over the answer's tokens. Published: the mean."""
    reference: bool = False
    """Use log-ratios to a reference. Published: no."""

    @property
    def needs(self) -> frozenset[Need]:
        """Nothing, as published; the reference if `reference` is set."""
        return frozenset({"reference"}) if self.reference else frozenset()

    def score(self, side: AnswerLogProbs) -> Tensor:
        """Return the mean (or sum) of log-probabilities or log-ratios, shape (B,)."""
        total_B = (side.log_ratio_BT() if self.reference else side.log_prob_BT()).sum(-1)
        return total_B / side.tokens_B() if self.reduce == "mean" else total_B

    def preference(self, margin_B: Tensor) -> Tensor:
        """Return the logistic loss of the margin beyond gamma."""
        return super().preference(margin_B - self.gamma)
