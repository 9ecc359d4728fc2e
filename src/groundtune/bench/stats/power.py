"""The smallest difference that a comparison of two models would detect.

A comparison "detects" a difference if its p, corrected for the number of tests, is at most 0.05
(two-sided). The smallest detectable one is detected with a probability of 80%. A smaller difference
may exist unseen: "no clear change" means no more than this.
"""

from statistics import NormalDist

FOUND_BEYOND = NormalDist().inv_cdf(0.975)
"""Standard errors from zero beyond which a difference is detected."""
SPAN = FOUND_BEYOND + NormalDist().inv_cdf(0.8)
"""Standard errors from zero of a difference that is detected with a probability of 80%: 2.80."""


def smallest_effect(low: float, high: float, tests: int = 1) -> float:
    """Smallest detectable difference, from the measured 95% interval.

    The interval of a normally distributed difference is 2 x 1.96 standard errors wide. It already
    includes the effects of pairing and of answers about one image. With several `tests`, each is
    treated as the first of Holm's, at 0.05 / tests.
    """
    span = SPAN + NormalDist().inv_cdf(1 - 0.025 / max(1, tests)) - FOUND_BEYOND
    return span * (high - low) / (2 * FOUND_BEYOND)
