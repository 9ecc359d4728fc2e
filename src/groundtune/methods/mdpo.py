"""A preference over images beside the one over answers, so that the image can't be ignored.

Wang, Zhou, Huang, Xu, Zhang, Poon and Chen, "mDPO: Conditional Preference Optimization for
Multimodal Large Language Models", 2024, arXiv 2406.11839. With r the chosen answer's log-ratio, r_l
the rejected one's, and r' the chosen one's on a corrupted image, three terms of equal weight:

    L = -log sigmoid(beta * (r - r_l))             the answers (DPO)
        -log sigmoid(beta * (r - r'))              the images
        -log sigmoid(beta * r - delta)             the anchor: the chosen answer itself must rise

The corrupted image is a random crop that keeps at most 20% of the area, resized to the image's
size. Its smallest share, 1%, is the code's (github.com/luka-group/mDPO: torchvision's
RandomResizedCrop with scale 0.01 to 0.2, side ratio 3/4 to 4/3); delta is 0 in the code. There the
crop is drawn anew in every step, on the preprocessed pixels. Here it is drawn once for an image and
a seed, on the image before the processor, so that the reference's figures can be stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from groundtune.methods.pairwise import AnswerLogProbs, PairLogProbs, Pairwise, View

if TYPE_CHECKING:
    from torch import Tensor


class MDPO(Pairwise):
    """mDPO (arXiv 2406.11839): DPO, a preference for the whole image over a crop, and an anchor."""

    type: Literal["mdpo"] = "mdpo"
    beta: float = Field(default=0.1, gt=0)
    """0.1 in the paper and the code."""
    image_weight: float = Field(default=1.0, ge=0)
    """Weight of the images' term. Published: 1."""
    anchor_weight: float = Field(default=1.0, ge=0)
    """Weight of the anchor. Published: 1."""
    delta: float = 0.0
    """What the anchored reward must exceed. Published: 0."""
    corruption: Literal["crop", "noise", "blank"] = "crop"
    """What is done to the image. Published: a crop."""
    low: float = Field(default=0.01, ge=0, le=1)
    """Smallest share of the area that is kept (of noise: that is mixed in). 0.01 in the code."""
    high: float = Field(default=0.2, ge=0, le=1)
    """Largest share. 0.2 in the paper and the code."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low ({self.low}) is above high ({self.high})")
        return self

    @property
    def views(self) -> tuple[View, ...]:
        """The corrupted image, where it has a weight."""
        seen = View("corrupted", self.corruption, self.low, self.high)
        return (seen,) if self.image_weight else ()

    def score(self, side: AnswerLogProbs) -> Tensor:
        """Sum of the answer's log-ratios, shape (B,)."""
        return side.log_ratio_BT().sum(-1)

    def terms(self, pairs: PairLogProbs) -> dict[str, Tensor]:
        """The images' term and the anchor, those that have a weight."""
        reward_B = self.beta * self.score(pairs.chosen)
        found: dict[str, Tensor] = {}
        if self.image_weight:
            other_B = self.beta * self.score(pairs.chosen_views["corrupted"])
            found["image"] = self.image_weight * self.preference(reward_B - other_B)
        if self.anchor_weight:
            found["anchor"] = self.anchor_weight * self.preference(reward_B - self.delta)
        return found
