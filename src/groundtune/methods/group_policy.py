"""Methods whose baseline is the group: several answers to one prompt, and no value head.

With `credit: terminal` every token of an answer gets the advantage of its whole return. With
`credit: claims` the reward of the answer as a whole is compared within the group, and the rewards
of claims and the KL flow back to the tokens before them, each against what the group's other
answers still got (methods/advantages.py). Both are unbiased.

Shapes: B answers, T tokens of the longest answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from groundtune.methods.advantages import (
    EPSILON,
    Baseline,
    Scale,
    claim_advantages,
    group_advantages,
    spread,
    still_to_come,
)
from groundtune.methods.policy_gradient import Advantages, PolicyGradient, SampledAnswers

if TYPE_CHECKING:
    from torch import Tensor


class GroupPolicy(PolicyGradient):
    """A policy gradient with the group as baseline."""

    baseline: Baseline
    scale: Scale

    def advantages(self, sampled: SampledAnswers) -> Advantages:
        """Return the advantage of each token over its group."""
        s = sampled
        return_B = s.terminal_B + (s.placed_BT - s.kl_BT).masked_fill(~s.mask_BT, 0.0).sum(-1)
        if self.credit == "terminal":
            whole_B = self._whole(return_B, s.group_B, self.scale)
            return Advantages(_on_tokens(whole_B, s.mask_BT))
        import torch

        whole_B = self._whole(s.terminal_B, s.group_B, "none")
        tokens_BT = torch.arange(s.mask_BT.shape[1]).expand(s.mask_BT.shape)
        advantage_BT = (
            _on_tokens(whole_B, s.mask_BT)
            + claim_advantages(s.placed_BT, s.mask_BT, s.group_B, s.claims_BT)
            - claim_advantages(s.kl_BT, s.mask_BT, s.group_B, tokens_BT)
        )
        return Advantages(advantage_BT / self._divisor(return_B, s)[:, None])

    def _whole(self, return_B: Tensor, group_B: Tensor, scale: Scale) -> Tensor:
        return group_advantages(return_B, group_B, baseline=self.baseline, scale=scale)

    def _divisor(self, return_B: Tensor, sampled: SampledAnswers) -> Tensor:
        """Return the largest standard deviation of what tokens are credited with.

        That of whole returns, as with terminal credit, unless what follows some claims varies more:
        answers of equal returns may have different claims, and nothing is divided by nearly 0.
        """
        import torch

        s = sampled
        if self.scale == "none" or len(return_B) < 2:
            return torch.ones_like(return_B)
        later_BN = still_to_come(s.placed_BT, s.mask_BT, s.claims_BT)
        credits_NB = [return_B, *(s.terminal_B[:, None] + later_BN).unbind(-1)]
        deviations_NB = [spread(each_B, s.group_B, self.scale) for each_B in credits_NB]
        return torch.stack(deviations_NB).amax(0) + EPSILON


def _on_tokens(whole_B: Tensor, mask_BT: Tensor) -> Tensor:
    return whole_B[:, None].expand(mask_BT.shape).masked_fill(~mask_BT, 0.0)
