"""PPO's clipped policy loss, and weights for answers that another policy drew.

Schulman et al. 2017, arXiv 1707.06347, equation 7, per token:

    L = -min(ratio * A, clip(ratio, 1 - low, 1 + high) * A),  ratio = p / p_old

All values are per token, so that one function (aggregation.py) decides what a mean is. Nothing is
inferred from a log-probability: a token whose log-probability is 0 counts like any other.

Shapes: B answers, T tokens of the longest answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

Level = Literal["token", "sequence"]
"""Whether a ratio is a token's or the product over its answer."""


class ClippedLoss(NamedTuple):
    """The loss of each token, and what the log needs, 0 on padding."""

    value_BT: Tensor
    ratio_BT: Tensor
    """p / p_old, detached; 1 on padding."""
    clipped_BT: Tensor
    """1 where the clip removes the gradient."""


def clipped_loss(
    logp_BT: Tensor,
    old_BT: Tensor,
    advantage_BT: Tensor,
    mask_BT: Tensor,
    *,
    low: float = 0.2,
    high: float = 0.2,
    weight_BT: Tensor | None = None,
) -> ClippedLoss:
    """Return PPO's clipped loss of each token, fp64.

    Args:
        logp_BT: log p of the model in training, with gradient.
        old_BT: log p of the model at the start of the step.
        advantage_BT: Advantages, detached.
        mask_BT: Bool: the answers' own tokens.
        low: How far a ratio may fall below 1.
        high: How far it may rise above 1.
        weight_BT: Importance weights, if another policy than `old` drew the answers.
    """
    import torch

    log_ratio_BT = (logp_BT.double() - old_BT.double()).masked_fill(~mask_BT, 0.0)
    ratio_BT = log_ratio_BT.exp()
    inside_BT = ratio_BT.clamp(1 - low, 1 + high)
    advantage_BT = advantage_BT.double().masked_fill(~mask_BT, 0.0)
    value_BT = -torch.minimum(ratio_BT * advantage_BT, inside_BT * advantage_BT)
    if weight_BT is not None:
        value_BT = value_BT * weight_BT
    flat_BT = (inside_BT - ratio_BT) * advantage_BT < 0
    return ClippedLoss(value_BT, ratio_BT.detach(), flat_BT.double())


def importance_weights(
    old_BT: Tensor,
    behaviour_BT: Tensor,
    mask_BT: Tensor,
    *,
    cap: float = 2.0,
    level: Level = "token",
) -> Tensor:
    """Return min(p_old / p_behaviour, cap), detached, fp64, 0 on padding.

    For answers that a server drew with log-probabilities that differ from the trainer's. `level`
    "sequence" uses the whole answer's ratio for each of its tokens.
    """
    ratio_BT = (old_BT.double() - behaviour_BT.double()).masked_fill(~mask_BT, 0.0)
    if level == "sequence":
        ratio_BT = ratio_BT.sum(-1, keepdim=True).expand_as(ratio_BT)
    return ratio_BT.exp().clamp(max=cap).masked_fill(~mask_BT, 0.0).detach()


def far_off(old_BT: Tensor, behaviour_BT: Tensor, mask_BT: Tensor, *, limit: float) -> Tensor:
    """Return which answers have a token whose probability differs by more than a factor, (B,).

    A rejection of whole answers, apart from the weights: a capped weight still learns from a token
    that the trainer's model would not have drawn.
    """
    import math

    gap_BT = (old_BT.double() - behaviour_BT.double()).abs().masked_fill(~mask_BT, 0.0)
    return gap_BT.amax(-1) > math.log(limit)
