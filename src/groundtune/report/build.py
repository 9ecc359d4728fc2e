"""What pages of every kind are put together from: figures as rows, and as points of curves."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from groundtune.records import Estimate
from groundtune.report.model import Curve, CurvePoint, CurveSeries, MetricRef, MetricSpec

ONE_SEED = (
    "One seed of sampling and training: another seed moves the figures by more than the intervals "
    "say, because they only know about the pictures."
)
"""A limit of every page about one training."""


class HasInterval(Protocol):
    """A value with its 95% interval: an estimate, a share, a rate."""

    @property
    def value(self) -> float:
        """The value."""
        ...

    @property
    def low(self) -> float:
        """The interval's lower end."""
        ...

    @property
    def high(self) -> float:
        """The interval's upper end."""
        ...


def estimate_of(rate: HasInterval, model: str, ref: MetricRef, n: int) -> Estimate:
    """A rate as a row of the page's tables."""
    return Estimate(
        model=model,
        benchmark=ref.benchmark,
        metric=ref.metric,
        value=rate.value,
        low=rate.low,
        high=rate.high,
        n=n,
    )


def points(rates: Iterable[tuple[float, HasInterval]]) -> tuple[CurvePoint, ...]:
    """Points of a curve from (x, the rate there)."""
    return tuple(CurvePoint(x=x, y=rate.value, low=rate.low, high=rate.high) for x, rate in rates)


def metric_curve(
    spec: MetricSpec,
    x_label: str,
    lines: Mapping[str, Iterable[tuple[float, HasInterval]]],
    *,
    log_x: bool = False,
    note: str = "",
) -> Curve:
    """A metric over anything: a line per label, each of (x, the rate there)."""
    return Curve(
        title=spec.label,
        x_label=x_label,
        y_label=spec.unit,
        scale=spec.scale,
        log_x=log_x,
        note=note,
        series=tuple(CurveSeries(label=name, points=points(line)) for name, line in lines.items()),
    )
