import torch

from groundtune.generate.draw import draw, uniforms
from groundtune.records import Sampling

LOGITS = torch.tensor([0.1, 0.5, 0.0, 0.3, 0.1]).log()[None]


def drawn(sampling: Sampling, steps: int = 20_000) -> list[float]:
    """Shares of the tokens over evenly spread uniform numbers."""
    numbers = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
    tokens = draw(LOGITS.expand(steps, -1), numbers, sampling)
    return (torch.bincount(tokens, minlength=5) / steps).tolist()


def close(found: list[float], expected: list[float]) -> None:
    torch.testing.assert_close(
        torch.tensor(found), torch.tensor(expected, dtype=torch.float32), atol=2e-4, rtol=0
    )


def test_draws_follow_the_models_distribution_and_never_take_the_impossible():
    close(drawn(Sampling(temperature=1)), [0.1, 0.5, 0.0, 0.3, 0.1])


def test_temperature_sharpens():
    squares = torch.tensor([0.01, 0.25, 0.0, 0.09, 0.01])
    close(drawn(Sampling(temperature=0.5)), (squares / squares.sum()).tolist())


def test_top_k_keeps_the_k_most_likely():
    close(drawn(Sampling(temperature=1, top_k=2)), [0, 0.625, 0, 0.375, 0])


def test_top_p_keeps_the_fewest_tokens_that_reach_it():
    # 0.5 itself is reached or not by rounding
    close(drawn(Sampling(temperature=1, top_p=0.49)), [0, 1, 0, 0, 0])
    close(drawn(Sampling(temperature=1, top_p=0.51)), [0, 0.625, 0, 0.375, 0])
    close(drawn(Sampling(temperature=1, top_p=0.79)), [0, 0.625, 0, 0.375, 0])


def test_temperature_zero_takes_the_most_likely():
    close(drawn(Sampling(temperature=0)), [0, 1, 0, 0, 0])


def test_the_ends_of_the_unit_interval_are_possible_tokens():
    ends = torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)
    assert draw(LOGITS.expand(2, -1), ends, Sampling(temperature=1)).tolist() == [0, 4]


def test_a_rows_numbers_depend_on_its_seed_alone_and_go_on_the_same():
    both = uniforms([7, 2**62], 5)
    assert torch.equal(uniforms([2**62], 5)[0], both[1])
    assert torch.equal(uniforms([7], 3)[0], both[0, :3])
    assert both.unique().numel() == 10
    assert 0.49 < uniforms([1], 10_000).mean() < 0.51
