"""The smallest difference that a comparison of two models would find.

A comparison "finds" a difference when its 95% interval excludes zero (two-sided test at 0.05). The
smallest detectable one is that which is found four times in five. What is smaller may be there and
not be seen: "no clear change" says no more than this.
"""

from math import sqrt
from statistics import NormalDist

FOUND_BEYOND = NormalDist().inv_cdf(0.975)
"""Standard errors from zero at which a difference is found."""
POWER = 0.8
BEYOND_THAT = NormalDist().inv_cdf(POWER)
SPAN = FOUND_BEYOND + BEYOND_THAT
"""Standard errors from zero of a difference that is found four times in five: 2.80."""


def smallest_effect(low: float, high: float) -> float:
    """Smallest detectable difference, from the 95% interval that was measured.

    The interval of a difference that is normally distributed is 2 x 1.96 standard errors wide. It
    already holds all that pairing and the answers of one image have in common.
    """
    return SPAN * (high - low) / (2 * FOUND_BEYOND)


def smallest_rate_change(n: int, discordant: float) -> float:
    """Smallest detectable difference of two rates over `n` paired items, in [0, 1].

    `discordant` is the share of items on which the models disagree. Connor 1987, Biometrics 43:
    n = (z_a sqrt(d) + z_b sqrt(d - e^2))^2 / e^2, solved for e. It is at most `discordant`: where
    so few items can't show even that, the answer is `discordant` itself.

    Raises:
        ValueError: no items, or a share outside [0, 1].
    """
    if n < 1 or not 0 <= discordant <= 1:
        raise ValueError(f"{n} items, a share of {discordant}")
    low, high = 0.0, discordant
    for _ in range(60):
        middle = (low + high) / 2
        spread = FOUND_BEYOND * sqrt(discordant) + BEYOND_THAT * sqrt(
            max(0.0, discordant - middle * middle)
        )
        low, high = (middle, high) if middle * sqrt(n) < spread else (low, middle)
    return high


def items_needed(effect: float, discordant: float) -> int:
    """Paired items that show a difference of two rates four times in five (Connor 1987).

    Raises:
        ValueError: an effect of 0, or above the share of items on which the models disagree.
    """
    if not 0 < effect <= discordant <= 1:
        raise ValueError(f"an effect of {effect} where {discordant} of the items differ")
    spread = FOUND_BEYOND * sqrt(discordant) + BEYOND_THAT * sqrt(discordant - effect * effect)
    return int(-(-(spread * spread) // (effect * effect)))
