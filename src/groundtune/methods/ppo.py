"""Proximal policy optimisation with a value head.

Schulman et al. 2017, arXiv 1707.06347; on language models Ziegler et al. 2019 (arXiv 1909.08593)
and, for vision-language models, LLaVA-RLHF (Sun et al. 2023, arXiv 2309.14525):

    r_t = reward of what ends at t - coefficient * kl_t
    A   = GAE(r, V),  loss = clipped policy loss + value_weight * clipped value loss

Everything is masked to the answers' own tokens, and the answer's reward is on its last real token.
LLaVA-RLHF's code has it on the last slot, whitens over padding, and clamps the KL: the recipe
llava-rlhf has these settings, and nothing else does.

Shapes: B answers, T tokens of the longest answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from groundtune.methods.advantages import EPSILON, gae, whiten
from groundtune.methods.policy_gradient import Advantages, PolicyGradient, SampledAnswers, at_end

if TYPE_CHECKING:
    from torch import Tensor


class PPO(PolicyGradient):
    """PPO (arXiv 1707.06347): GAE over a value head's values, clipped losses."""

    type: Literal["ppo"] = "ppo"
    gamma: float = Field(default=1.0, gt=0, le=1)
    """Discount of later rewards; 1 has none."""
    lam: float = Field(default=0.95, ge=0, le=1)
    """GAE's lambda: 0.95 in the code of Stiennon et al. 2020, 1 in LLaVA-RLHF's."""
    whiten: Literal["tokens", "padded", "none"] = "tokens"
    """Give advantages mean 0 and variance 1 over the real tokens of all processes. "padded" counts
    padding up to the longest allowed answer, as LLaVA-RLHF's code does."""
    reward_scale: float = Field(default=1.0, gt=0)
    """Factor of all rewards, the KL's included: 10 in LLaVA-RLHF's code, where rewards aren't
    whitened."""
    value_weight: float = Field(default=0.1, ge=0)
    """Of the value loss: 0.1 in LLaVA-RLHF."""
    value_clip: float = Field(default=0.2, ge=0)
    """How far a value may move in a step: 0.2 in LLaVA-RLHF; 0 doesn't clip."""

    @property
    def has_values(self) -> bool:
        """Whether a value head is trained: yes."""
        return True

    def advantages(self, sampled: SampledAnswers) -> Advantages:
        """Return GAE's advantages, whitened, and what the values should be."""
        s = sampled
        assert s.value_BT is not None, "PPO needs values"
        reward_BT = self.reward_scale * (at_end(s.terminal_B, s.mask_BT) + s.placed_BT - s.kl_BT)
        estimate = gae(reward_BT, s.value_BT, s.mask_BT, gamma=self.gamma, lam=self.lam)
        advantage_BT = estimate.advantage_BT
        if self.whiten == "tokens":
            advantage_BT = whiten(advantage_BT, s.mask_BT)
        elif self.whiten == "padded":
            end_B = self.reward_scale * s.terminal_B
            advantage_BT = _whiten_padded(advantage_BT, s.mask_BT, end_B, s.longest)
        return Advantages(advantage_BT, estimate.return_BT)


def _whiten_padded(advantage_BT: Tensor, mask_BT: Tensor, end_B: Tensor, longest: int) -> Tensor:
    """Whiten over all slots; a slot after an answer has the answer's reward, its value taken as 0.

    As in LLaVA-RLHF's code, where the reward is on the last slot and gamma and lambda are 1.
    """
    import torch

    padding_B = longest - mask_BT.sum(-1)
    slots_N = torch.cat([advantage_BT[mask_BT], end_B.repeat_interleave(padding_B)])
    std = slots_N.std() if len(slots_N) > 1 else slots_N.new_zeros(())
    return ((advantage_BT - slots_N.mean()) / (std + EPSILON)).masked_fill(~mask_BT, 0.0)
