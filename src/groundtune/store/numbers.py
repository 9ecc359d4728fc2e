"""Numbers that a file or a reply has, of which integers may be of any length."""

import math


def float_of(value: object) -> float | None:
    """Return a number as a float, None for anything else; true and false are no numbers.

    An integer of more than 308 digits, which no float can hold, is infinite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
