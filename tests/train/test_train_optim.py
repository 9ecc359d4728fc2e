"""Learning rates, and which weights decay."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from groundtune.train.optim import Optim, adamw


def test_the_rate_warms_up_and_then_falls_along_the_cosine():
    optim = Optim(lr=1.0, warmup=0.2, schedule="cosine")
    rates = [optim.rate(step, 10) for step in range(10)]
    assert rates[:3] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert rates[6] == pytest.approx(0.5)
    assert all(later < earlier for earlier, later in pairwise(rates[2:]))
    assert 0 < rates[-1] < 0.05


def test_linear_and_constant_schedules():
    linear = [Optim(lr=2.0, warmup=0, schedule="linear").rate(step, 4) for step in range(4)]
    assert linear == pytest.approx([2.0, 1.5, 1.0, 0.5])
    constant = [Optim(lr=2.0, warmup=0, schedule="constant").rate(step, 4) for step in range(4)]
    assert constant == [2.0] * 4


def test_matrices_decay_and_vectors_do_not_and_frozen_weights_are_left_out():
    model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.Linear(3, 1))
    model[2].requires_grad_(False)
    groups = adamw(model.parameters(), Optim(weight_decay=0.1)).param_groups
    assert [(g["weight_decay"], len(g["params"])) for g in groups] == [(0.1, 1), (0.0, 3)]
    assert not any(p is model[2].weight for g in groups for p in g["params"])


def test_a_step_of_adamw_is_the_formula():
    weight = nn.Parameter(torch.tensor([[1.0]]))
    optimizer = adamw([weight], Optim(lr=0.1, weight_decay=0.5))
    (weight * 3).sum().backward()
    optimizer.step()
    # first step of Adam: lr * g / |g|; decay lr * wd * w
    assert weight.item() == pytest.approx(1 - 0.1 * 0.5 - 0.1, abs=1e-6)
