"""The losses of reward models against values computed by hand."""

import math

import pytest
import torch

from groundtune.methods.bradley_terry import BradleyTerry, ComparedRewards
from groundtune.methods.wrong_words import MarkedValues, WrongWords


def compared(better: list[float], worse: list[float], ties: list[bool] | None = None):
    return ComparedRewards(
        better_B=torch.tensor(better, requires_grad=True),
        worse_B=torch.tensor(worse),
        tie_B=torch.tensor(ties or [False] * len(better)),
    )


def test_the_loss_is_minus_the_log_of_the_probability_of_the_verdict():
    found = BradleyTerry().loss(compared([1.5, -1.0], [0.5, 1.0]))
    exact = [math.log(1 + math.exp(-1)), math.log(1 + math.exp(2))]
    assert found.value_B.tolist() == pytest.approx(exact)
    assert found.metrics["accuracy"].tolist() == [1, 0]
    assert found.metrics["margin"].tolist() == [1, -2]


def test_the_gradient_is_the_probability_of_the_other_verdict():
    rewards = compared([1.0], [0.0])
    BradleyTerry().loss(rewards).value_B.sum().backward()
    assert rewards.better_B.grad.item() == pytest.approx(-1 / (1 + math.e))


def test_a_tie_pulls_both_rewards_together():
    even = BradleyTerry().loss(compared([0.7], [0.7], [True])).value_B.item()
    apart = BradleyTerry().loss(compared([2.7], [0.7], [True])).value_B.item()
    assert even == pytest.approx(math.log(2))
    assert apart == pytest.approx((math.log(1 + math.exp(-2)) + math.log(1 + math.exp(2))) / 2)


def test_smoothing_takes_a_share_of_the_verdicts_as_half_right():
    found = BradleyTerry(smoothing=0.2).loss(compared([1.0], [0.0])).value_B.item()
    exact = 0.9 * math.log(1 + math.exp(-1)) + 0.1 * math.log(1 + math.e)
    assert found == pytest.approx(exact)


def test_centring_is_per_comparison_and_the_published_one_vanishes_for_opposite_signs():
    rewards = compared([2.0, -2.0], [1.0, -1.0])
    plain = BradleyTerry().loss(rewards).value_B
    squared = BradleyTerry(centre=0.1).loss(rewards).value_B
    published = BradleyTerry(centre=0.1, centring="published").loss(rewards).value_B
    assert (squared - plain).tolist() == pytest.approx([0.9, 0.9])
    assert (published - plain).tolist() == pytest.approx([0, 0])
    one = compared([2.0], [1.0])
    more = BradleyTerry(centre=0.1, centring="published").loss(one).value_B
    assert (more - BradleyTerry().loss(one).value_B).item() == pytest.approx(0.3)


def test_a_marked_tokens_loss_is_the_cross_entropy_of_right_and_wrong():
    marked = MarkedValues(
        value_BT=torch.tensor([[2.0, -1.0, 5.0]]),
        wrong_BT=torch.tensor([[False, True, False]]),
        mask_BT=torch.tensor([[True, True, False]]),
    )
    right, wrong = math.log(1 + math.exp(-2)), math.log(1 + math.exp(-1))
    assert WrongWords().loss(marked).value_B.item() == pytest.approx((right + wrong) / 2)
    weighted = WrongWords(wrong_weight=3).loss(marked).value_B.item()
    assert weighted == pytest.approx((right + 3 * wrong) / 4)
    assert WrongWords().loss(marked).metrics["accuracy"].item() == 1
