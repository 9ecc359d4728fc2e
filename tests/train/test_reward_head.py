"""A reward model's head: values of states, and rewards of values."""

import pytest
import torch

from groundtune.train.reward_head import RewardHead, read_reward


def test_a_reward_is_read_from_the_last_token_or_the_answers_own():
    values = torch.tensor([1.0, 2.0, 6.0, 10.0])
    assert read_reward(values, slice(3), "last") == 10
    assert read_reward(values, slice(3), "mean") == 3
    assert read_reward(values, slice(3), "sum") == 9


@pytest.mark.parametrize(("kind", "layers"), [("linear", 1), ("mlp2", 2)])
def test_a_head_is_plain_linear_layers_with_biases_at_zero(kind, layers):
    torch.manual_seed(0)
    head = RewardHead(8, kind)
    hidden = torch.randn(5, 8)
    assert len(head.layers) == layers
    assert all(not layer.bias.any() for layer in head.layers)
    value = hidden
    for number, layer in enumerate(head.layers):
        value = layer(value * value.sigmoid() if number else value)
    assert torch.allclose(head(hidden), value[:, 0])


def test_values_are_float32_under_autocast():
    head = RewardHead(8, "mlp2")
    with torch.autocast("cpu", torch.bfloat16):
        assert head(torch.randn(3, 8).bfloat16()).dtype == torch.float32
