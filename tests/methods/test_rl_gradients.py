"""Exact gradients by enumeration: three tokens, at most two of them, every answer there is.

A loss's expected gradient over all answers must equal autograd's of the true objective, which is
written out here without any function of the package.
"""

import itertools

import pytest
import torch
from torch import Tensor

from groundtune.methods.advantages import claim_advantages, group_advantages, reward_to_go
from groundtune.methods.aggregation import token_weights
from groundtune.methods.kl import corrected_k3, kl_estimate
from groundtune.methods.policy_loss import clipped_loss, importance_weights

END = 2
ANSWERS = [(END,), *itertools.product((0, 1), (0, 1, END))]
"""An answer ends with END or is truncated after two tokens."""
MASK = torch.tensor([[True, len(answer) == 2] for answer in ANSWERS])
IDS = torch.tensor([[*answer, 0][:2] for answer in ANSWERS])
REWARD = torch.tensor([0.3, 1.0, -0.5, 2.0, 0.1, -1.5, 0.7], dtype=torch.double)
"""Of each answer as a whole."""
PLACES = torch.tensor(
    [[0.2, 0.0], [1.0, -2.0], [1.0, 0.5], [1.0, 0.0], [-1.0, 0.3], [-1.0, 0.0], [-1.0, 1.5]],
    dtype=torch.double,
)
"""Of each answer's claims, on their last tokens."""


def weights(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, 3, generator=generator, dtype=torch.double)


def logp(theta: Tensor) -> Tensor:
    """Log p of each answer's tokens: row 0 of the logits first, then the row of the token."""
    first = theta[0].log_softmax(-1)[IDS[:, 0]]
    second = theta[1 + IDS[:, 0].clamp(max=1)].log_softmax(-1).gather(1, IDS[:, 1:])[:, 0]
    return torch.stack([first, second.masked_fill(~MASK[:, 1], 0.0)], 1)


def probability(theta: Tensor) -> Tensor:
    return logp(theta).sum(-1).exp()


def gradient(objective: Tensor, theta: Tensor) -> Tensor:
    [found] = torch.autograd.grad(objective, theta, retain_graph=True)
    return found


def same(found: Tensor, expected: Tensor) -> bool:
    return torch.allclose(found, expected, rtol=1e-12, atol=1e-12)


THETA, OLD, REF = weights(0), weights(0) + 0.3 * weights(1), weights(2)


def expected_loss(theta: Tensor, drawn_by: Tensor, value_BT: Tensor) -> Tensor:
    return (probability(drawn_by).detach()[:, None] * value_BT).sum()


def test_all_answers_have_probability_one() -> None:
    assert float(probability(THETA).sum()) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("baseline", [0.0, 1.7])
def test_the_policy_gradient_is_that_of_the_expected_reward(baseline: float) -> None:
    theta = THETA.clone().requires_grad_()
    advantage = (REWARD - baseline)[:, None].expand(-1, 2)
    loss = clipped_loss(logp(theta), logp(theta).detach(), advantage, MASK).value_BT
    truth = (probability(theta) * REWARD).sum()
    assert same(gradient(expected_loss(theta, theta, loss), theta), -gradient(truth, theta))


def test_means_over_constant_lengths_keep_the_gradients_direction() -> None:
    theta = THETA.clone().requires_grad_()
    weight = token_weights(MASK, "constant", longest=2) * len(MASK) * 2
    loss = clipped_loss(logp(theta), logp(theta).detach(), REWARD[:, None].expand(-1, 2), MASK)
    truth = (probability(theta) * REWARD).sum()
    found = gradient(expected_loss(theta, theta, loss.value_BT * weight), theta)
    assert same(found, -gradient(truth, theta))


def test_k1_in_the_reward_gives_the_gradient_of_reward_minus_kl() -> None:
    theta, beta = THETA.clone().requires_grad_(), 0.7
    own, reference = logp(theta), logp(REF)
    k1 = kl_estimate(own, reference, MASK, "k1").detach()
    advantage = reward_to_go(PLACES - beta * k1, MASK)
    loss = clipped_loss(own, own.detach(), advantage, MASK).value_BT
    kl = (probability(theta) * (own - reference).sum(-1)).sum()
    truth = (probability(theta) * (PLACES * MASK).sum(-1)).sum() - beta * kl
    assert same(gradient(expected_loss(theta, theta, loss), theta), -gradient(truth, theta))


def test_clamped_k1_in_the_reward_gives_another_gradient() -> None:
    theta = THETA.clone().requires_grad_()
    own, reference = logp(theta), logp(REF)
    advantage = -reward_to_go(kl_estimate(own, reference, MASK, "clamped_k1").detach(), MASK)
    loss = clipped_loss(own, own.detach(), advantage, MASK).value_BT
    kl = (probability(theta) * (own - reference).sum(-1)).sum()
    found = gradient(expected_loss(theta, theta, loss), theta)
    assert not torch.allclose(found, gradient(kl, theta), atol=0.05)


def test_corrected_k3_gives_the_gradient_of_the_kl_though_another_policy_drew() -> None:
    theta = THETA.clone().requires_grad_()
    own, reference, old = logp(theta), logp(REF), logp(OLD)
    loss = corrected_k3(own, old, reference, MASK, level="sequence")
    kl = (probability(theta) * (own - reference).sum(-1)).sum()
    assert same(gradient(expected_loss(theta, OLD, loss), theta), gradient(kl, theta))


def test_corrected_k3_by_token_gives_the_kl_at_the_old_policys_prefixes() -> None:
    theta = THETA.clone().requires_grad_()
    loss = corrected_k3(logp(theta), logp(OLD), logp(REF), MASK)
    own, reference = theta.log_softmax(-1), REF.log_softmax(-1)
    kl_S = (own.exp() * (own - reference)).sum(-1)
    prefix_S = torch.cat([torch.ones(1), OLD[0].softmax(-1)[:2]])
    truth = (prefix_S * kl_S).sum()
    assert same(gradient(expected_loss(theta, OLD, loss), theta), gradient(truth, theta))


def test_k3_as_a_loss_gives_another_gradient() -> None:
    theta = THETA.clone().requires_grad_()
    own, reference = logp(theta), logp(REF)
    loss = kl_estimate(own, reference, MASK, "k3")
    kl = (probability(theta) * (own - reference).sum(-1)).sum()
    found = gradient(expected_loss(theta, theta, loss), theta)
    assert not torch.allclose(found, gradient(kl, theta), atol=0.05)


@pytest.mark.parametrize("kind", ["k1", "k3"])
def test_estimates_have_the_kl_as_their_mean(kind: str) -> None:
    estimate = kl_estimate(logp(THETA), logp(REF), MASK, kind)  # type: ignore[arg-type]
    kl = (probability(THETA) * (logp(THETA) - logp(REF)).sum(-1)).sum()
    assert float(expected_loss(THETA, THETA, estimate)) == pytest.approx(float(kl), abs=1e-12)


def test_the_clipped_loss_is_the_surrogate_of_all_answers_of_the_old_policy() -> None:
    theta, low, high = (THETA * 1.8).requires_grad_(), 0.1, 0.25
    loss = clipped_loss(logp(theta), logp(OLD), PLACES, MASK, low=low, high=high)
    assert 0 < float((loss.clipped_BT * MASK).mean()) < 1
    truth = torch.zeros((), dtype=torch.double)
    for answer, places in zip(ANSWERS, PLACES, strict=True):
        p_old, state = torch.ones((), dtype=torch.double), 0
        surrogate = torch.zeros((), dtype=torch.double)
        for token, advantage in zip(answer, places, strict=False):
            old = OLD[state].softmax(-1)[token]
            ratio = theta[state].softmax(-1)[token] / old
            kept = min(max(ratio.item(), 1 - low), 1 + high)
            flat = kept * advantage < ratio.item() * advantage
            surrogate = surrogate + (kept * advantage if flat else ratio * advantage)
            p_old, state = p_old * old, 1 + token
        truth = truth + p_old * surrogate
    found = gradient(expected_loss(theta, OLD, loss.value_BT), theta)
    assert same(found, -gradient(truth, theta))


def test_claim_credit_that_flows_back_gives_the_gradient_of_all_claims() -> None:
    theta = THETA.clone().requires_grad_()
    advantage = reward_to_go(PLACES, MASK)
    loss = clipped_loss(logp(theta), logp(theta).detach(), advantage, MASK).value_BT
    truth = (probability(theta) * (PLACES * MASK).sum(-1)).sum()
    assert same(gradient(expected_loss(theta, theta, loss), theta), -gradient(truth, theta))


def test_credit_on_the_claims_own_tokens_alone_gives_another_gradient() -> None:
    theta = THETA.clone().requires_grad_()
    loss = clipped_loss(logp(theta), logp(theta).detach(), PLACES, MASK).value_BT
    truth = (probability(theta) * (PLACES * MASK).sum(-1)).sum()
    found = gradient(expected_loss(theta, theta, loss), theta)
    assert not torch.allclose(found, -gradient(truth, theta), atol=0.05)


def pairs_of_answers() -> tuple[Tensor, Tensor]:
    """Every pair of answers as a group of two: their rows, and the groups."""
    rows = torch.tensor(list(itertools.product(range(len(ANSWERS)), repeat=2)))
    return rows, torch.arange(len(rows)).repeat_interleave(2)


@pytest.mark.parametrize("places", [True, False])
def test_baselines_of_a_group_change_no_expected_gradient(places: bool) -> None:
    theta = THETA.clone().requires_grad_()
    rows, group = pairs_of_answers()
    flat = rows.flatten()
    mask, reward = MASK[flat], (PLACES * MASK)[flat]
    if places:
        claims = torch.tensor([0, 1]).expand_as(reward)
        advantage = claim_advantages(reward, mask, group, claims)
    else:
        total = group_advantages(reward.sum(-1), group, baseline="leave_one_out", scale="none")
        advantage = total[:, None].expand(-1, 2)
    own = logp(theta)[flat]
    loss = clipped_loss(own, own.detach(), advantage, mask).value_BT.sum(-1).view(-1, 2)
    chance = probability(theta).detach()[rows].prod(-1)
    expected = (chance * loss.mean(-1)).sum()
    truth = (probability(theta) * (PLACES * MASK).sum(-1)).sum()
    assert same(gradient(expected, theta), -gradient(truth, theta))


def test_importance_weights_turn_a_servers_answers_into_the_policys() -> None:
    theta = THETA.clone().requires_grad_()
    own = logp(theta)
    weight = importance_weights(own.detach(), logp(OLD), MASK, cap=1e9, level="sequence")
    advantage = REWARD[:, None].expand(-1, 2)
    loss = clipped_loss(own, own.detach(), advantage, MASK, weight_BT=weight).value_BT
    truth = (probability(theta) * REWARD).sum()
    assert same(gradient(expected_loss(theta, OLD, loss), theta), -gradient(truth, theta))
