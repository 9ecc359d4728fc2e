"""Advantages, value loss, KL and means against figures computed by hand."""

import math

import pytest
import torch

from groundtune.methods.advantages import (
    claim_advantages,
    gae,
    group_advantages,
    reward_to_go,
    varies,
    whiten,
)
from groundtune.methods.aggregation import token_weights
from groundtune.methods.group_policy import GroupPolicy
from groundtune.methods.grpo import GRPO
from groundtune.methods.kl import adapted, kl_estimate
from groundtune.methods.policy_gradient import SampledAnswers
from groundtune.methods.policy_loss import clipped_loss, far_off, importance_weights
from groundtune.methods.ppo import PPO
from groundtune.methods.rloo import RLOO
from groundtune.methods.value_loss import value_loss

MASK = torch.tensor([[True, True, True], [True, True, False]])


def close(found: torch.Tensor, expected: list[object]) -> bool:
    return torch.allclose(
        found.double(), torch.tensor(expected, dtype=torch.double), rtol=1e-9, atol=1e-9
    )


def test_gae_matches_a_calculation_by_hand() -> None:
    reward = torch.tensor([[0.0, 0.0, 1.0], [0.0, 2.0, 9.0]])
    value = torch.tensor([[0.5, 0.4, 0.2], [1.0, 0.5, 7.0]])
    found = gae(reward, value, MASK, gamma=0.9, lam=0.8)
    # row 0, from the end: 1 - .2 = .8;  .9*.2 - .4 + .72*.8 = .356;  .9*.4 - .5 + .72*.356 = .11632
    # row 1: 2 - .5 = 1.5;  .9*.5 - 1 + .72*1.5 = .53; padding counts nowhere
    assert torch.allclose(
        found.advantage_BT,
        torch.tensor([[0.11632, 0.356, 0.8], [0.53, 1.5, 0.0]]).double(),
        atol=1e-7,
    )
    assert torch.allclose(
        found.return_BT, torch.tensor([[0.61632, 0.756, 1.0], [1.53, 2.0, 0.0]]).double(), atol=1e-7
    )


def test_ppo_puts_the_answers_reward_on_its_last_real_token_and_whitens_real_tokens() -> None:
    sampled = SampledAnswers(
        terminal_B=torch.tensor([1.0, -1.0]).double(),
        placed_BT=torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.0, 9.0]]).double(),
        claims_BT=torch.zeros(2, 3).long(),
        kl_BT=torch.tensor([[0.1, 0.0, 0.2], [0.0, 0.3, 9.0]], dtype=torch.double),
        mask_BT=MASK,
        group_B=torch.tensor([0, 0]),
        value_BT=torch.zeros(2, 3).double(),
        longest=4,
    )
    plain = PPO(lam=1.0, whiten="none").advantages(sampled).advantage_BT
    assert close(plain, [[1.2, 0.8, 0.8], [-1.3, -1.3, 0.0]])
    white = PPO(lam=1.0).advantages(sampled).advantage_BT
    assert float(white[MASK].mean()) == pytest.approx(0, abs=1e-9)
    assert torch.allclose(white, whiten(plain, MASK))
    # published: slots after an answer count, with the answer's reward: 1 once and -1 twice
    padded = PPO(lam=1.0, whiten="padded").advantages(sampled).advantage_BT
    slots = torch.tensor([1.2, 0.8, 0.8, 1.0, -1.3, -1.3, -1.0, -1.0], dtype=torch.double)
    assert torch.allclose(padded[MASK], ((plain - slots.mean()) / slots.std())[MASK], atol=1e-5)


def test_gae_with_gamma_and_lambda_one_is_reward_to_go_minus_value() -> None:
    reward, value = torch.randn(2, 3).double(), torch.randn(2, 3).double()
    found = gae(reward, value, MASK, gamma=1.0, lam=1.0).advantage_BT
    assert torch.allclose(found, (reward_to_go(reward, MASK) - value) * MASK)


def test_grpo_and_rloo_match_calculations_by_hand() -> None:
    returns, group = torch.tensor([1.0, 2.0, 6.0, 5.0, 5.0]), torch.tensor([0, 0, 0, 1, 1])
    rloo = group_advantages(returns, group, baseline="leave_one_out", scale="none")
    assert close(rloo, [1 - 4, 2 - 3.5, 6 - 1.5, 0, 0])
    std = math.sqrt((4 + 1 + 9) / 2)
    grpo = group_advantages(returns, group, baseline="group", scale="group")
    assert torch.allclose(
        grpo, torch.tensor([-2 / std, -1 / std, 3 / std, 0, 0]).double(), rtol=1e-5
    )


def test_a_group_of_one_learns_nothing() -> None:
    one = group_advantages(
        torch.tensor([3.0]), torch.tensor([0]), baseline="leave_one_out", scale="none"
    )
    assert one.tolist() == [0]


def test_claims_are_compared_with_the_others_after_as_many_claims() -> None:
    # two answers: claims worth -1 and +1, and one claim worth +1
    reward = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, 0.0]])
    claims = torch.tensor([[0, 0, 1], [0, 1, 1]])
    found = claim_advantages(reward, MASK, torch.tensor([0, 0]), claims)
    # to go: [0, 0, 1] and [1, 0]; after 0 claims the other still got 1 and 0, after one 0 and 1
    assert close(found, [[-1.0, -1.0, 1.0], [1.0, -1.0, 0.0]])


def test_a_group_is_dropped_only_if_none_of_its_tokens_is_credited() -> None:
    # by prompt: a right claim before a wrong one and after it; equal claims; equal sums, where the
    # claim and the whole cancel out before every token; other returns; an answer alone
    terminal = torch.tensor([0, 0, 0, 0, 1, 0, 2, 1, 5]).double()
    placed = torch.zeros(9, 3).double()
    placed[0], placed[1] = torch.tensor([1.0, 0, -1]), torch.tensor([-1.0, 0, 1])
    placed[2] = placed[3] = torch.tensor([0, 1.0, 1])
    placed[4, 2] = -1.0
    claims = (placed != 0).long()
    claims = claims.cumsum(-1) - claims
    group = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3, 4])
    differs = varies(terminal, placed, torch.ones(9, 3).bool(), group, claims)
    assert differs.tolist() == [True, True, False, False, False, False, True, True, False]


@pytest.mark.parametrize("method", [GRPO(credit="claims"), RLOO(credit="claims")])
def test_answers_of_equal_sums_are_told_apart_by_their_claims(method: GroupPolicy) -> None:
    placed = torch.tensor([[1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]).double()
    sampled = SampledAnswers(
        terminal_B=torch.zeros(2).double(),
        placed_BT=placed,
        claims_BT=torch.tensor([[0, 1, 1], [0, 1, 2]]),
        kl_BT=torch.zeros(2, 3).double(),
        mask_BT=MASK,
        group_B=torch.tensor([0, 0]),
    )
    # after one claim -1 and 1 are still to come; the mean square of 2, 2, 2 and two 0 is 12 / 5
    size = 2 / math.sqrt(12 / 5)
    found = method.advantages(sampled).advantage_BT
    assert torch.allclose(
        found, torch.tensor([[0, -size, -size], [0, size, 0]]).double(), atol=1e-5
    )


def test_whitening_leaves_padding_out() -> None:
    value = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 1e9]])
    found = whiten(value, MASK)
    real = found[MASK]
    assert float(real.mean()) == pytest.approx(0, abs=1e-9)
    assert float(real.std()) == pytest.approx(1, abs=1e-5)
    assert float(found[1, 2]) == 0


def test_the_value_loss_takes_the_worse_of_clipped_and_unclipped() -> None:
    value, old, goal = torch.tensor([[1.0, 0.1, 3.0]]), torch.zeros(1, 3), torch.ones(1, 3)
    mask = torch.tensor([[True, True, False]])
    # clipped values .2 and .1: the first is worse clipped, the second equal, padding is nothing
    assert torch.allclose(
        value_loss(value, old, goal, mask).float(), torch.tensor([[0.32, 0.405, 0]])
    )
    assert float(value_loss(value, old, goal, mask, clip=0)[0, 0]) == 0


def test_tokens_whose_log_probability_is_zero_count() -> None:
    logp = torch.zeros(1, 2, requires_grad=True)
    loss = clipped_loss(logp, torch.zeros(1, 2), torch.ones(1, 2), torch.ones(1, 2).bool())
    [found] = torch.autograd.grad(loss.value_BT.sum(), logp)
    assert found.tolist() == [[-1.0, -1.0]]


@pytest.mark.parametrize("how", ["token", "sequence", "constant"])
def test_means_do_not_depend_on_micro_batches(how: str) -> None:
    mask = torch.arange(6) < torch.tensor([1, 6, 2, 5, 3, 3, 4, 1])[:, None]
    loss = torch.randn(8, 6).double()
    weight = token_weights(mask, how, longest=6)  # type: ignore[arg-type]
    whole = float((loss * weight).sum())
    for size in (1, 2, 4):
        parts = zip(loss.split(size), weight.split(size), strict=True)
        assert math.fsum(float((a * b).sum()) for a, b in parts) == pytest.approx(whole, abs=1e-12)


def test_each_mean_is_what_its_name_says() -> None:
    loss = torch.tensor([[1.0, 2.0, 3.0], [10.0, 20.0, 99.0]]).double()
    means = {
        how: float((loss * token_weights(MASK, how, longest=4)).sum())
        for how in ("token", "sequence", "constant")
    }
    assert means == pytest.approx({"token": 36 / 5, "sequence": (2 + 15) / 2, "constant": 36 / 8})


def test_the_published_estimate_clamps_each_token() -> None:
    logp, ref = torch.tensor([[-1.0, -3.0, 0.0]]), torch.tensor([[-2.0, -1.0, 5.0]])
    mask = torch.tensor([[True, True, False]])
    assert kl_estimate(logp, ref, mask, "clamped_k1").tolist() == [[1.0, 0.0, 0.0]]
    assert kl_estimate(logp, ref, mask, "k1").tolist() == [[1.0, -2.0, 0.0]]
    assert kl_estimate(logp, ref, mask, "k2").tolist() == [[0.5, 2.0, 0.0]]


def test_the_adaptive_coefficient_follows_its_target() -> None:
    assert adapted(0.1, kl=12, target=6, horizon=1000, answers=100) == pytest.approx(0.102)
    assert adapted(0.1, kl=5.4, target=6, horizon=1000, answers=100) == pytest.approx(0.099)


def test_importance_weights_are_capped_and_far_answers_rejected_apart() -> None:
    old, drawn = torch.tensor([[0.0, -1.0], [-1.0, 0.0]]), torch.tensor([[-2.0, -1.0], [-1.0, 0.0]])
    mask = torch.ones(2, 2).bool()
    assert importance_weights(old, drawn, mask, cap=2).tolist() == [[2.0, 1.0], [1.0, 1.0]]
    assert far_off(old, drawn, mask, limit=3).tolist() == [True, False]
