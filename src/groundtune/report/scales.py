"""Scales and axes: the position of a value, and round tick values."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from groundtune.bench.metric import Metric
from groundtune.report.figures import number

EDGE = 2.0
"""Percent of the width that is free on both sides, for the marks at the ends of the scale."""


class Tick(NamedTuple):
    """A position on an axis, in percent (x) or pixels (y), and its label."""

    at: float
    label: str


def ticks(low: float, high: float, number_of: int = 4, *, whole: bool = False) -> list[float]:
    """About `number_of` round values from `low` to `high`; only whole numbers if `whole`."""
    if high <= low:
        return [low]
    rough = max((high - low) / number_of, 1.0 if whole else 0.0)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


class Scale(NamedTuple):
    """Values from `low` to `high` over the width of a chart."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Percent of the width."""
        span = self.high - self.low or 1.0
        return round(EDGE + (100 - 2 * EDGE) * (value - self.low) / span, 3)

    def height(self, value: float, pixels: int) -> float:
        """Pixels from the top of a chart of this height."""
        span = self.high - self.low or 1.0
        return round(pixels * (1 - (value - self.low) / span), 2)


def scale_of(values: Sequence[float], *, from_zero: bool = True) -> Scale:
    """A scale for values: from 0 unless all are far from it."""
    low, high = min(values), max(values)
    if low >= 0 and (from_zero or low < 0.6 * high):
        low = 0.0
    margin = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return Scale(low if low == 0 else low - margin, high + margin)


def axis(
    scale: Scale, spec: Metric, *, signed: bool = False, whole: bool = False
) -> tuple[Tick, ...]:
    """Round ticks in the metric's display unit, at percents of the width."""
    tick_labels = labels(scale, spec, signed=signed, whole=whole)
    return tuple(Tick(scale.at(value), label) for value, label in tick_labels)


def labels(
    scale: Scale, spec: Metric, *, signed: bool = False, whole: bool = False
) -> list[tuple[float, str]]:
    """Round values of a scale, and their labels in the metric's display unit."""
    values = ticks(scale.low * spec.scale, scale.high * spec.scale, whole=whole)
    step = values[1] - values[0] if len(values) > 1 else 1.0
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    decimals += abs(step * 10**decimals - round(step * 10**decimals)) > 1e-6
    sign = "%" if spec.unit == "%" and not signed else ""
    result: list[tuple[float, str]] = []
    for value in values:
        label = number(value, decimals)
        label = f"+{label}" if signed and value > step / 2 else label
        result.append((value / spec.scale, label + sign))
    return result
