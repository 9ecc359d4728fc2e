"""The base of the methods that learn from sampled answers and their rewards.

    loss = sum over tokens of weight * (clipped policy loss + terms)

A method says what the advantage of each token is; losses, KL and means are shared. Its fields are
its parameters in a recipe.

Shapes: B answers, T tokens of the longest answer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from groundtune.methods.aggregation import Aggregation
from groundtune.methods.policy_loss import Level

if TYPE_CHECKING:
    from torch import Tensor

Credit = Literal["terminal", "claims"]
"""Where the rewards of claims are: summed up at the answer's end, or each at the last token of its
claim, from where they flow back."""


class KL(BaseModel):
    """How the policy is held near its reference."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    place: Literal["reward", "loss"] = "reward"
    """Subtracted from the reward of each token, or added to the loss."""
    estimate: Literal["k1", "k2", "k3", "corrected_k3", "clamped_k1"] = "k1"
    """methods/kl.py. In the reward, k1 is unbiased; in the loss, corrected_k3 and (for answers of
    the policy itself) k2 have the right gradient. clamped_k1 is LLaVA-RLHF's."""
    level: Level = "token"
    """Of corrected_k3's weight."""
    coefficient: float = Field(default=0.02, ge=0)
    """0.1 in LLaVA-RLHF, 0.04 in GRPO's paper."""
    target: float = Field(default=0.0, ge=0)
    """KL per answer (nats) that the coefficient is adapted to (arXiv 1909.08593); 0 keeps it."""
    horizon: int = Field(default=10_000, ge=1)
    """Answers over which an adapted coefficient moves."""

    @model_validator(mode="after")
    def _estimate_fits_its_place(self) -> Self:
        if self.place == "reward" and self.estimate == "corrected_k3":
            raise ValueError("kl.estimate=corrected_k3 has a gradient: use it with kl.place=loss")
        if self.place == "loss" and self.estimate in ("k1", "clamped_k1"):
            raise ValueError(
                f"kl.estimate={self.estimate} needs kl.place=reward: as a loss its "
                "expected gradient is not that of a KL"
            )
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledAnswers:
    """The answers of a step, of all processes, without gradients. Rewards are fp64."""

    terminal_B: Tensor
    """Reward of the whole answer."""
    placed_BT: Tensor
    """Rewards of claims, each on its last token; 0 elsewhere."""
    claims_BT: Tensor
    """Number of claims that ended before each token."""
    kl_BT: Tensor
    """The KL's estimate at each token, times its coefficient, if it is part of the reward; else 0.
    """
    mask_BT: Tensor
    """Bool: the answers' own tokens."""
    group_B: Tensor
    """Number of each answer's prompt."""
    value_BT: Tensor | None = None
    """Values before each token; None without a value head."""
    longest: int = 0
    """The most tokens that an answer may have."""


class Advantages(NamedTuple):
    """What a method makes of rewards."""

    advantage_BT: Tensor
    return_BT: Tensor | None = None
    """What values are trained to be; None without a value head."""


class PolicyGradient(BaseModel, ABC):
    """A method that learns from rewards of sampled answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    credit: Credit = "terminal"
    """Where the rewards of claims go: the end of the answer ("terminal"), or the last token of each
    claim ("claims")."""
    kl: KL = KL()
    clip_low: float = Field(default=0.2, gt=0, lt=1)
    """How far the ratio to the policy that drew may fall below 1: 0.2 in PPO."""
    clip_high: float = Field(default=0.2, gt=0)
    """How far it may rise above 1: 0.2 in PPO, 0.28 in DAPO."""
    aggregation: Aggregation = "constant"
    """What a mean over tokens is (methods/aggregation.py)."""

    @property
    def has_values(self) -> bool:
        """Whether a value head is trained."""
        return False

    @abstractmethod
    def advantages(self, sampled: SampledAnswers) -> Advantages:
        """Return the advantage of each token, fp64, 0 on padding."""


def at_end(terminal_B: Tensor, mask_BT: Tensor) -> Tensor:
    """Return the rewards of whole answers on their last real tokens, 0 elsewhere, (B, T)."""
    import torch

    reward_BT = torch.zeros(mask_BT.shape, dtype=torch.double)
    last_B1 = mask_BT.sum(-1, keepdim=True) - 1
    return reward_BT.scatter(1, last_B1, terminal_B.double()[:, None])
