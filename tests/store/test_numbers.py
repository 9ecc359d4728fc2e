"""Numbers of files and replies, whatever JSON can write."""

import math

import pytest

from groundtune.store.numbers import float_of


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3.0),
        (0.5, 0.5),
        (10**400, math.inf),
        (-(10**400), -math.inf),
        (True, None),
        ("3", None),
        (None, None),
        ([3], None),
    ],
)
def test_numbers_are_floats_and_all_else_is_none(value: object, number: float | None) -> None:
    assert float_of(value) == number


def test_what_is_not_a_number_stays_so() -> None:
    assert math.isnan(float_of(math.nan) or 0.0)
