"""Curves over training steps, the number of corrections, or anything else."""

import math
from collections.abc import Iterable, Mapping
from typing import Self

from pydantic import field_validator, model_validator

from groundtune.bench.metric import Metric
from groundtune.records import Record
from groundtune.report.figures import HasInterval


class CurvePoint(Record):
    """A point of a curve, with its interval if it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


class CurveSeries(Record):
    """One line; `model` gives its colour if it is a model of the report."""

    label: str
    model: str = ""
    points: tuple[CurvePoint, ...]
    """Non-finite points are left out: a gap in the line."""

    @field_validator("points")
    @classmethod
    def _finite(cls, points: tuple[CurvePoint, ...]) -> tuple[CurvePoint, ...]:
        return tuple(p for p in points if math.isfinite(p.x) and math.isfinite(p.y))


class Curve(Record):
    """Lines over training steps, the number of corrections, or anything else."""

    title: str
    x_label: str
    y_label: str
    series: tuple[CurveSeries, ...]
    scale: float = 1.0
    """Factor of y for display."""
    log_x: bool = False
    note: str = ""

    @model_validator(mode="after")
    def _logarithms_exist(self) -> Self:
        if self.log_x and any(p.x <= 0 for series in self.series for p in series.points):
            raise ValueError("a logarithmic axis can't show x <= 0")
        return self


def points(rates: Iterable[tuple[float, HasInterval]]) -> tuple[CurvePoint, ...]:
    """Points of a curve from (x, the rate at x)."""
    return tuple(CurvePoint(x=x, y=rate.value, low=rate.low, high=rate.high) for x, rate in rates)


def metric_curve(
    spec: Metric,
    x_label: str,
    lines: Mapping[str, Iterable[tuple[float, HasInterval]]],
    *,
    log_x: bool = False,
    note: str = "",
) -> Curve:
    """A metric over anything: one line per label, with points (x, the rate at x)."""
    return Curve(
        title=spec.label,
        x_label=x_label,
        y_label=spec.unit,
        scale=spec.scale,
        log_x=log_x,
        note=note,
        series=tuple(CurveSeries(label=name, points=points(line)) for name, line in lines.items()),
    )
