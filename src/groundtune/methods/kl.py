"""Estimates of KL(policy || reference) from the tokens that were drawn, nats per token.

With d = log p - log p_ref at a drawn token (Schulman, "Approximating KL divergence", 2020):

    k1 = d                   unbiased as a number, and as a reward
    k2 = d^2 / 2             biased as a number, its gradient on the policy's own draws is right
    k3 = exp(-d) - 1 + d     unbiased as a number; as a loss its gradient is another divergence's
    clamped k1 = max(d, 0)   neither: what LLaVA-RLHF's code subtracts from the reward

A loss needs the gradient of an expectation over the policy's draws, and k3 has none of its weights:
`corrected_k3` multiplies it by p / p_old, with gradient, as DeepSeek-V3.2 does (arXiv 2512.02556).

Shapes: B answers, T tokens of the longest answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from groundtune.methods.policy_loss import Level

if TYPE_CHECKING:
    from torch import Tensor

Estimate = Literal["k1", "k2", "k3", "clamped_k1"]


def kl_estimate(logp_BT: Tensor, ref_BT: Tensor, mask_BT: Tensor, kind: Estimate) -> Tensor:
    """Return an estimate at each token, fp64, 0 on padding, shape (B, T)."""
    ratio_BT = (logp_BT.double() - ref_BT.double()).masked_fill(~mask_BT, 0.0)
    if kind == "k1":
        return ratio_BT
    if kind == "k2":
        return 0.5 * ratio_BT**2
    if kind == "k3":
        return (-ratio_BT).exp() - 1 + ratio_BT
    return ratio_BT.clamp(min=0)


def corrected_k3(
    logp_BT: Tensor, old_BT: Tensor, ref_BT: Tensor, mask_BT: Tensor, *, level: Level = "token"
) -> Tensor:
    """Return k3 weighted by p / p_old, with gradient, fp64, 0 on padding, shape (B, T).

    With `level` "token", the sum's expected gradient is that of the KL at prefixes that the old
    policy drew; with "sequence", where the weight is the ratio of the answer up to the token, it is
    that of the KL of whole answers.
    """
    log_ratio_BT = (logp_BT.double() - old_BT.double()).masked_fill(~mask_BT, 0.0)
    if level == "sequence":
        log_ratio_BT = log_ratio_BT.cumsum(-1)
    return log_ratio_BT.exp() * kl_estimate(logp_BT, ref_BT, mask_BT, "k3")


def adapted(coefficient: float, kl: float, target: float, horizon: float, answers: int) -> float:
    """Return the next coefficient of Ziegler et al. 2019 (arXiv 1909.08593, section 2.2).

    `kl` is the last batch's mean per answer, nats; `horizon` the answers within which the
    coefficient may double or so.
    """
    error = min(max(kl / target - 1, -0.2), 0.2)
    return coefficient * (1 + error * answers / horizon)
