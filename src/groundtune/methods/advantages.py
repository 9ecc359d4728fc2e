"""Advantages of sampled answers: GAE, groups of answers to one prompt, and credit to claims.

Every function takes all answers of a batch, of all processes. Rewards are detached numbers; what
follows a token in its answer is credited to it, so that a reward at the end of a claim reaches the
comma or "There is also" that led to it.

Shapes: B answers, T tokens of the longest answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

Baseline = Literal["group", "leave_one_out"]
"""What an answer is compared with: the mean of its group (GRPO), or of the group's other answers
(RLOO)."""
Scale = Literal["none", "group", "batch"]
"""What advantages are divided by: nothing (RLOO, Dr. GRPO), or the standard deviation of their
group (GRPO: Shao et al. 2024, arXiv 2402.03300, equation 3) or of the batch."""
EPSILON = 1e-6
"""Added to a standard deviation before a division by it."""
EQUAL = 1e-8
"""Largest advantage, unscaled, that counts as none."""


class GaeResult(NamedTuple):
    """What GAE makes of rewards and values, fp64, 0 on padding."""

    advantage_BT: Tensor
    return_BT: Tensor
    """What the values are trained to be: advantage plus value, before any whitening."""


def reward_to_go(reward_BT: Tensor, mask_BT: Tensor, gamma: float = 1.0) -> Tensor:
    """Return the discounted sum of each token's own and later rewards, fp64, 0 on padding."""
    import torch

    reward_BT = reward_BT.double().masked_fill(~mask_BT, 0.0)
    found_BT = torch.zeros_like(reward_BT)
    later_B = torch.zeros_like(reward_BT[:, 0])
    for t in reversed(range(reward_BT.shape[1])):
        later_B = reward_BT[:, t] + gamma * later_B
        found_BT[:, t] = later_B
    return found_BT.masked_fill(~mask_BT, 0.0)


def gae(
    reward_BT: Tensor, value_BT: Tensor, mask_BT: Tensor, *, gamma: float, lam: float
) -> GaeResult:
    """Return generalised advantages (Schulman et al. 2015, arXiv 1506.02438, equation 16).

    delta_t = r_t + gamma V_{t+1} - V_t and A_t = delta_t + gamma lam A_{t+1}, with V = 0 after an
    answer's last token. `value_BT[t]` is the value before token t is drawn.
    """
    import torch

    mask = mask_BT.double()
    reward_BT, value_BT = reward_BT.double() * mask, value_BT.double() * mask
    advantage_BT = torch.zeros_like(reward_BT)
    later_B = next_B = torch.zeros_like(reward_BT[:, 0])
    for t in reversed(range(reward_BT.shape[1])):
        delta_B = reward_BT[:, t] + gamma * next_B - value_BT[:, t]
        later_B = (delta_B + gamma * lam * later_B) * mask[:, t]
        next_B = value_BT[:, t]
        advantage_BT[:, t] = later_B
    return GaeResult(advantage_BT, (advantage_BT + value_BT) * mask)


def group_advantages(
    return_B: Tensor, group_B: Tensor, *, baseline: Baseline, scale: Scale
) -> Tensor:
    """Return each answer's advantage over its group, fp64, shape (B,).

    `group_B` numbers the prompts. A group of one answer has advantage 0.
    """
    own_B = return_B.double()
    mean_B, count_B = group_means(own_B, group_B)
    advantage_B = own_B - mean_B
    if baseline == "leave_one_out":  # n / (n - 1) * (R - mean) = R - mean of the others
        advantage_B = advantage_B * count_B / (count_B - 1).clamp(min=1)
    if scale != "none":
        advantage_B = advantage_B / (spread(own_B, group_B, scale) + EPSILON)
    return advantage_B


def group_means(value_B: Tensor, group_B: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of each answer's group and the group's size, fp64, shape (B,) each."""
    import torch

    groups = int(group_B.max()) + 1
    ones_B = torch.ones_like(value_B, dtype=torch.double)
    count_G = ones_B.new_zeros(groups).index_add(0, group_B, ones_B)
    sum_G = ones_B.new_zeros(groups).index_add(0, group_B, value_B.double())
    return (sum_G / count_G.clamp(min=1))[group_B], count_G[group_B]


def spread(value_B: Tensor, group_B: Tensor, scale: Scale) -> Tensor:
    """Return the standard deviation of each answer's group or of the batch, fp64, shape (B,).

    It divides by n - 1, as GRPO's code does, and is 0 of fewer than two values.
    """
    import torch

    own_B = value_B.double()
    if scale == "batch":
        return torch.full_like(own_B, float(_std(own_B)))
    mean_B, count_B = group_means(own_B, group_B)
    square_B, _ = group_means((own_B - mean_B) ** 2, group_B)
    return (square_B * count_B / (count_B - 1).clamp(min=1)).sqrt()


def varies(
    terminal_B: Tensor, placed_BT: Tensor, mask_BT: Tensor, group_B: Tensor, claims_BT: Tensor
) -> Tensor:
    """Return whether the rewards of each answer's group credit any of its tokens, bool (B,).

    Equal sums are not enough for False: a right claim before a wrong one is credited otherwise than
    after it. An answer alone in its group varies from none.
    """
    whole_B = group_advantages(terminal_B, group_B, baseline="leave_one_out", scale="none")
    credit_BT = whole_B[:, None] + claim_advantages(placed_BT, mask_BT, group_B, claims_BT)
    credited_B = (credit_BT.abs().masked_fill(~mask_BT, 0.0) > EQUAL).any(-1)
    share_B, count_B = group_means(credited_B, group_B)
    return (share_B > 0) & (count_B > 1)


def claim_advantages(
    reward_BT: Tensor, mask_BT: Tensor, group_B: Tensor, claims_BT: Tensor
) -> Tensor:
    """Return the advantages of rewards at places, fp64, 0 on padding, shape (B, T).

    A token's advantage is its reward-to-go minus a baseline: what the group's other answers still
    got after as many claims. `claims_BT[t]` counts the claims that ended before token t. The
    baseline depends on earlier tokens and on other answers only, so it biases no gradient. An
    answer alone in its group has no baseline.
    """
    import torch

    to_go_BT = reward_to_go(reward_BT, mask_BT)
    most = int(claims_BT.masked_fill(~mask_BT, 0).max()) + 1
    after_BN = torch.zeros(len(to_go_BT), most, dtype=torch.double)
    """The sum still to come after a number of claims; 0 for more claims than there are."""
    for number in range(most):
        here_BT = mask_BT & (claims_BT == number)
        first_B = here_BT.int().argmax(-1)
        found_B = to_go_BT.gather(1, first_B[:, None])[:, 0]
        after_BN[:, number] = found_B.masked_fill(~here_BT.any(-1), 0.0)
    groups = int(group_B.max()) + 1
    sum_GN = after_BN.new_zeros(groups, most).index_add(0, group_B, after_BN)
    count_G = torch.bincount(group_B, minlength=groups)
    others_B1 = (count_G[group_B] - 1).clamp(min=1)[:, None]
    baseline_BN = (sum_GN[group_B] - after_BN) / others_B1
    place_BT = claims_BT.clamp(0, most - 1)
    return (to_go_BT - baseline_BN.gather(1, place_BT)).masked_fill(~mask_BT, 0.0)


def whiten(value_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Return values with mean 0 and variance 1 over real tokens, 0 on padding, fp64."""
    real_N = value_BT.double()[mask_BT]
    white_BT = (value_BT.double() - real_N.mean()) / (_std(real_N) + EPSILON)
    return white_BT.masked_fill(~mask_BT, 0.0)


def _std(value_N: Tensor) -> Tensor:
    """Return the standard deviation (n - 1), 0 of fewer than two values."""
    return value_N.std() if len(value_N) > 1 else value_N.new_zeros(())
