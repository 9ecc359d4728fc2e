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
    group_means,
    spread,
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
        return Advantages(advantage_BT / self._divisor(return_B, advantage_BT, s)[:, None])

    def _whole(self, return_B: Tensor, group_B: Tensor, scale: Scale) -> Tensor:
        return group_advantages(return_B, group_B, baseline=self.baseline, scale=scale)

    def _divisor(self, return_B: Tensor, advantage_BT: Tensor, sampled: SampledAnswers) -> Tensor:
        """Return what whole returns are divided by, so that both kinds of credit are alike.

        Answers of about equal returns can have different claims, which would be divided by nearly
        0: no group, or batch, gets tokens' advantages of a root mean square above 1.
        """
        import torch

        if self.scale == "none" or len(return_B) < 2:
            return torch.ones_like(return_B)
        batch_B = torch.zeros_like(sampled.group_B)
        group_B = batch_B if self.scale == "batch" else sampled.group_B
        square_B, _ = group_means(advantage_BT.square().sum(-1), group_B)
        tokens_B, _ = group_means(sampled.mask_BT.sum(-1), group_B)
        deviation_B = spread(return_B, sampled.group_B, self.scale)
        return deviation_B.maximum((square_B / tokens_B).sqrt()) + EPSILON


def _on_tokens(whole_B: Tensor, mask_BT: Tensor) -> Tensor:
    return whole_B[:, None].expand(mask_BT.shape).masked_fill(~mask_BT, 0.0)
