"""The smallest difference that a comparison of two models would find.

A comparison "finds" a difference when its p, corrected for the number of tests, is at most 0.05
(two-sided). The smallest detectable one is that which is found four times in five. What is smaller
may be there and not be seen: "no clear change" says no more than this.
"""

from statistics import NormalDist

FOUND_BEYOND = NormalDist().inv_cdf(0.975)
"""Standard errors from zero at which a difference is found."""
SPAN = FOUND_BEYOND + NormalDist().inv_cdf(0.8)
"""Standard errors from zero of a difference that is found four times in five: 2.80."""


def smallest_effect(low: float, high: float, tests: int = 1) -> float:
    """Smallest detectable difference, from the 95% interval that was measured.

    The interval of a difference that is normally distributed is 2 x 1.96 standard errors wide. It
    already holds all that pairing and the answers of one image have in common. Of several `tests`,
    each is taken as the first of Holm's, at 0.05 / tests.
    """
    span = SPAN + NormalDist().inv_cdf(1 - 0.025 / max(1, tests)) - FOUND_BEYOND
    return span * (high - low) / (2 * FOUND_BEYOND)
