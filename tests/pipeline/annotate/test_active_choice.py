"""How many corrections halve a share, read off a curve."""

import pytest
from benchmarks.annotate.active_choice import Arm, to_halve

from groundtune.bench.stats.means import Mean


def arm(corrections: int, share: float) -> Arm:
    mean = Mean(share, share, share)
    return Arm("random", corrections, corrections, mean, mean, 0.9, 30.0)


def test_half_is_reached_between_two_numbers_on_a_logarithmic_scale():
    arms = [arm(400, 0.1), arm(25, 0.8), arm(100, 0.2)]
    # from 0.8 to 0.2 in a factor of four: 0.4 after two thirds of it
    assert to_halve(arms, 0.8) == pytest.approx(25 * 4 ** (2 / 3))
    assert to_halve(arms, 0.4) == pytest.approx(100)


def test_half_at_the_first_number_or_never_is_reported_as_that():
    assert to_halve([arm(25, 0.1), arm(50, 0.05)], 0.8) == 25
    assert to_halve([arm(25, 0.7), arm(50, 0.5)], 0.8) is None
