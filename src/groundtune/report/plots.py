"""Geometry of the charts with two axes: models between two metrics, and lines over steps.

x is percent of the width, y pixels from the top.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from groundtune.report.figures import number, value_text
from groundtune.report.model import (
    Curve,
    CurveSeries,
    MetricRef,
    MetricSpec,
    ReportInput,
    TradeOff,
    find_estimate,
)
from groundtune.report.scales import Scale, Tick, axis, labels, scale_of
from groundtune.report.tables import DIRECTIONS
from groundtune.report.verdict import trade_off_finding

SCATTER_PX = 320
CURVE_PX = 200
LABEL_PX = 16
"""Least distance between two lines' labels."""


class Cross(NamedTuple):
    """A point of the scatter with both intervals."""

    colour: int
    label: str
    x: float
    y: float
    left: float
    right: float
    top: float
    bottom: float
    x_text: str
    y_text: str
    flip: bool
    """Whether its label stands on its left."""
    below: bool = False
    """Whether its label stands below, since above is the label of a near point."""


class Scatter(NamedTuple):
    """Models by what they keep (x) and what they get wrong (y)."""

    title: str
    caption: str
    x_label: str
    y_label: str
    crosses: tuple[Cross, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    height: int


class Line(NamedTuple):
    """A series. `points` and `band` are SVG points in a box of 100 x 100."""

    colour: int
    label: str
    points: str
    band: str
    end_x: float
    end_y: float
    text: str
    label_y: float


class CurveChart(NamedTuple):
    """Lines over steps, and all their points as rows of text."""

    title: str
    x_label: str
    y_label: str
    note: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    height: int
    rows: tuple[tuple[str, str, str], ...]


def scatter(report: ReportInput, pair: TradeOff) -> Scatter | None:
    """Where each model stands between two metrics; None unless two models have both."""
    x_ref = MetricRef(benchmark=pair.benchmark, metric=pair.x)
    y_ref = MetricRef(benchmark=pair.benchmark, metric=pair.y)
    points = [
        (model, x, y)
        for model in report.models
        if (x := find_estimate(report.estimates, model.name, x_ref)) is not None
        and (y := find_estimate(report.estimates, model.name, y_ref)) is not None
    ]
    if len(points) < 2:
        return None
    x_spec, y_spec = report.metric(pair.x, pair.benchmark), report.metric(pair.y, pair.benchmark)
    across = scale_of([end for _, x, _ in points for end in (x.low, x.high)], from_zero=False)
    up = scale_of([end for _, _, y in points for end in (y.low, y.high)])
    crosses = [
        Cross(
            colour=report.colour(model.name),
            label=model.label,
            x=across.at(x.value),
            y=up.height(y.value, SCATTER_PX),
            left=across.at(x.low),
            right=across.at(x.high),
            top=up.height(y.high, SCATTER_PX),
            bottom=up.height(y.low, SCATTER_PX),
            x_text=value_text(x.value, x_spec),
            y_text=value_text(y.value, y_spec),
            flip=across.at(x.value) > 60,
        )
        for model, x, y in points
    ]
    return Scatter(
        title=trade_off_finding(report, pair),
        caption=f"{report.benchmark(pair.benchmark).label}; {_best_corner(x_spec, y_spec)} is best",
        x_label=_axis_label(x_spec),
        y_label=_axis_label(y_spec),
        crosses=tuple(_beside(cross, crosses) for cross in crosses),
        x_ticks=axis(across, x_spec),
        y_ticks=tuple(
            Tick(up.height(value, SCATTER_PX), label) for value, label in labels(up, y_spec)
        ),
        height=SCATTER_PX,
    )


def _beside(cross: Cross, crosses: Sequence[Cross]) -> Cross:
    """The cross with its label below where a near one is higher."""
    near = (
        each for each in crosses if abs(each.x - cross.x) < 25 and cross.y - each.y < 2 * LABEL_PX
    )
    return cross._replace(below=any(each.y < cross.y for each in near))


def _axis_label(spec: MetricSpec) -> str:
    direction = DIRECTIONS[spec.better]
    return f"{spec.label} ({direction})" if direction else spec.label


def _best_corner(x_spec: MetricSpec, y_spec: MetricSpec) -> str:
    across = "left" if x_spec.better == "lower" else "right"
    return f"{'bottom' if y_spec.better == 'lower' else 'top'} {across}"


def curve(report: ReportInput, drawn: Curve) -> CurveChart | None:
    """The lines of a curve; None if no series has a point."""
    points = [point for series in drawn.series for point in series.points]
    if not points:
        return None
    ends = [end for p in points for end in (p.y, p.low, p.high) if end is not None]
    up = scale_of([end * drawn.scale for end in ends], from_zero=False)
    across = _across([p.x for p in points], log=drawn.log_x)
    lines = [_line(report, series, i, (across, up), drawn) for i, series in enumerate(drawn.series)]
    bare = MetricSpec(name="y", label="y", unit="", scale=1)
    return CurveChart(
        title=drawn.title,
        x_label=drawn.x_label,
        y_label=drawn.y_label,
        note=drawn.note,
        lines=tuple(_apart([line for line in lines if line is not None])),
        x_ticks=_x_ticks(drawn, across),
        y_ticks=tuple(Tick(up.height(value, CURVE_PX), label) for value, label in labels(up, bare)),
        height=CURVE_PX,
        rows=tuple(
            (series.label, _short(p.x), _short(p.y * drawn.scale))
            for series in drawn.series
            for p in series.points
        ),
    )


def _across(values: Sequence[float], *, log: bool) -> Scale:
    shown = [math.log10(x) for x in values] if log else list(values)
    return Scale(min(shown), max(shown))


def _x_ticks(drawn: Curve, across: Scale) -> tuple[Tick, ...]:
    """Round steps; on a logarithmic axis the points themselves."""
    if drawn.log_x:
        values = sorted({p.x for series in drawn.series for p in series.points})
        return tuple(Tick(across.at(math.log10(x)), _short(x)) for x in values)
    bare = MetricSpec(name="x", label="x", unit="", scale=1)
    return axis(across, bare)


def _line(
    report: ReportInput, series: CurveSeries, index: int, scales: tuple[Scale, Scale], drawn: Curve
) -> Line | None:
    if not series.points:
        return None
    across, up = scales
    known = [model.name for model in report.models]
    colour = report.colour(series.model) if series.model in known else index

    def at(x: float, y: float) -> str:
        place = across.at(math.log10(x) if drawn.log_x else x)
        return f"{place:.2f},{up.height(y * drawn.scale, 100):.2f}"

    upper = [at(p.x, p.high) for p in series.points if p.high is not None]
    lower = [at(p.x, p.low) for p in series.points if p.low is not None]
    last = series.points[-1]
    return Line(
        colour=colour,
        label=series.label,
        points=" ".join(at(p.x, p.y) for p in series.points),
        band=" ".join([*upper, *reversed(lower)]) if len(upper) > 1 else "",
        end_x=across.at(math.log10(last.x) if drawn.log_x else last.x),
        end_y=up.height(last.y * drawn.scale, CURVE_PX),
        text=_short(last.y * drawn.scale),
        label_y=up.height(last.y * drawn.scale, CURVE_PX),
    )


def _apart(lines: list[Line]) -> list[Line]:
    """The lines with their labels pushed apart, from the top down, and back up from the bottom."""
    placed: list[Line] = []
    floor = -math.inf
    for line in sorted(lines, key=lambda line: line.end_y):
        y = max(line.end_y, floor + LABEL_PX)
        placed.append(line._replace(label_y=y))
        floor = y
    ceiling = math.inf
    for i in range(len(placed) - 1, -1, -1):
        y = min(placed[i].label_y, ceiling - LABEL_PX, CURVE_PX - 4)
        placed[i] = placed[i]._replace(label_y=y)
        ceiling = y
    return placed


def _short(value: float) -> str:
    """About three digits."""
    if value == int(value) or abs(value) >= 100:
        return number(value, 0)
    return number(value, max(0, 2 - math.floor(math.log10(abs(value)))))
