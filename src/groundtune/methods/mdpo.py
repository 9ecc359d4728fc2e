"""A preference over images in addition to the one over answers, so that images matter.

Wang, Zhou, Huang, Xu, Zhang, Poon and Chen, "mDPO: Conditional Preference Optimization for
Multimodal Large Language Models", 2024, arXiv 2406.11839. With r the chosen answer's log-ratio, r_l
the rejected one's, and r' the chosen one's on a corrupted image, three terms of equal weight:

    L = -log sigmoid(beta * (r - r_l))             the answers (DPO)
        -log sigmoid(beta * (r - r'))              the images
        -log sigmoid(beta * r - delta)             the anchor: raises the chosen answer itself

The corrupted image is a random crop that keeps at most 20% of the area, resized to the image's
size. The smallest share, 1%, follows the code (github.com/luka-group/mDPO: torchvision's
RandomResizedCrop with scale 0.01 to 0.2, side ratio 3/4 to 4/3); delta is 0 in the code. The code
draws a new crop in every step, on the preprocessed pixels. Here each image and seed has one crop,
made before the processor, so that the reference's log-probabilities can be stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from groundtune.methods.pairwise import AnswerLogProbs, PairLogProbs, Pairwise, View

if TYPE_CHECKING:
    from torch import Tensor


class MDPO(Pairwise):
    """mDPO (arXiv 2406.11839): DPO, a preference for the full image over a crop, and an anchor."""

    type: Literal["mdpo"] = "mdpo"
    beta: float = Field(default=0.1, gt=0)
    """0.1 in the paper and the code."""
    image_weight: float = Field(default=1.0, ge=0)
    """Weight of the image term. Published: 1."""
    anchor_weight: float = Field(default=1.0, ge=0)
    """Weight of the anchor. Published: 1."""
    delta: float = 0.0
    """Target of the anchored reward. Published: 0."""
    corruption: Literal["crop", "noise", "blank"] = "crop"
    """How to corrupt the image. Published: a crop."""
    low: float = Field(default=0.01, ge=0, le=1)
    """Smallest share of the area that a crop keeps, or of noise to mix in. 0.01 in the code."""
    high: float = Field(default=0.2, ge=0, le=1)
    """Largest share. 0.2 in the paper and the code."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low ({self.low}) is above high ({self.high})")
        return self

    @property
    def views(self) -> tuple[View, ...]:
        """The corrupted image, if it has a weight."""
        corrupted = View("corrupted", self.corruption, self.low, self.high)
        return (corrupted,) if self.image_weight else ()

    def score(self, side: AnswerLogProbs) -> Tensor:
        """Return the sum of the answer's log-ratios, shape (B,)."""
        return side.log_ratio_BT().sum(-1)

    def terms(self, pairs: PairLogProbs) -> dict[str, Tensor]:
        """Return the image term and the anchor, if they have a weight."""
        reward_B = self.beta * self.score(pairs.chosen)
        terms: dict[str, Tensor] = {}
        if self.image_weight:
            other_B = self.beta * self.score(pairs.chosen_views["corrupted"])
            terms["image"] = self.image_weight * self.preference(reward_B - other_B)
        if self.anchor_weight:
            terms["anchor"] = self.anchor_weight * self.preference(reward_B - self.delta)
        return terms
