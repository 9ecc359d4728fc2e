"""The loss of reward models: the better of two answers gets the higher reward.

Bradley and Terry, 1952, as LLaVA-RLHF trains it (Sun et al. 2023, arXiv 2309.14525, and its code):

    L = -p log sigmoid(d) - (1 - p) log sigmoid(-d) + centre * C,    d = r(better) - r(worse)

p is 1 less `smoothing` / 2, and 1/2 for a tie. Rewards have no zero of their own, so a small term C
keeps them near 0: (r(better) + r(worse))^2 per comparison. LLaVA-RLHF's code has instead
|mean(r(better) + r(worse))| over the comparisons of a forward pass, which pairs of opposite sign
make 0 whatever their size; `centring: published` is that.

Shapes: B comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from groundtune.methods.pairwise import Loss

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRewards:
    """The rewards of both answers of each comparison."""

    better_B: Tensor
    worse_B: Tensor
    tie_B: Tensor
    """Bool: neither is better."""


class BradleyTerry(BaseModel):
    """The logistic loss on the difference of two rewards."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    centre: float = Field(default=0.0, ge=0)
    """Weight of the term that keeps rewards near 0: 1e-3 in LLaVA-RLHF, no gain in BaseReward."""
    centring: Literal["squared", "published"] = "squared"
    """The term: each comparison's squared sum, or LLaVA-RLHF's."""
    smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the comparisons that may be the wrong way round, taken as half right."""

    def loss(self, pairs: ComparedRewards) -> Loss:
        """Return the loss of each comparison and its metrics for the log."""
        from torch.nn.functional import logsigmoid

        better_B, worse_B = pairs.better_B.double(), pairs.worse_B.double()
        margin_B = better_B - worse_B
        sure_B = (~pairs.tie_B).double()
        right_B = 0.5 + sure_B * (1 - self.smoothing) / 2
        preference_B = -right_B * logsigmoid(margin_B) - (1 - right_B) * logsigmoid(-margin_B)
        value_B = preference_B + self.centre * self._centre(better_B + worse_B)
        metrics = {
            "reward_better": better_B,
            "reward_worse": worse_B,
            "margin": margin_B,
            "accuracy": (margin_B > 0).double() * sure_B,
            "ties": 1 - sure_B,
            "preference": preference_B,
        }
        return Loss(value_B, {name: each_B.detach() for name, each_B in metrics.items()})

    def _centre(self, sum_B: Tensor) -> Tensor:
        return sum_B.square() if self.centring == "squared" else sum_B.mean().abs()
