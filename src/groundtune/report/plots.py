"""Geometry of the charts with two axes: models over two metrics, and lines over steps.

x is percent of the width, y pixels from the top.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from groundtune.report.curves import Curve, CurveSeries
from groundtune.report.figures import number, value_text
from groundtune.report.model import MetricSpec, ReportInput, TradeOff
from groundtune.report.scales import Scale, Tick, axis, labels, scale_of
from groundtune.report.tables import DIRECTIONS
from groundtune.report.verdict import trade_off_finding

BARE = MetricSpec(name="bare", label="bare", unit="", scale=1)
"""Format of the values on a curve's axes."""
SCATTER_PX = 320
CURVE_PX = 200
LABEL_PX = 16
"""Least distance between the labels of two lines."""


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
    flip: bool
    """Whether its label is on its left."""
    below: int = 0
    """Number of lines by which its label is moved down, below those of near points; 0 is above."""


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


class Plot(NamedTuple):
    """A chart with two axes: crosses or lines, and its values as rows of text."""

    title: str
    note: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    height: int
    kind: str
    """What a row is: "Model" or "Line"."""
    rows: tuple[tuple[str, str, str], ...]
    """(label, x, y)."""
    crosses: tuple[Cross, ...] = ()
    lines: tuple[Line, ...] = ()

    @property
    def label_em(self) -> float:
        """Width for the longest label of a line, in em."""
        return 2 + 0.52 * max(len(f"{line.label} {line.text}") for line in self.lines)


def scatter(report: ReportInput, pair: TradeOff) -> Plot | None:
    """Return the scatter of models over two metrics; None unless two models have both."""
    points = [
        (model, x, y)
        for model in report.models
        if (x := report.estimate(model.name, pair.x)) is not None
        and (y := report.estimate(model.name, pair.y)) is not None
    ]
    if len(points) < 2:
        return None
    x_spec, y_spec = report.metric(pair.x), report.metric(pair.y)
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
            flip=across.at(x.value) > 60,
        )
        for model, x, y in points
    ]
    return Plot(
        title=trade_off_finding(report, pair),
        note=f"{report.benchmark(pair.y.benchmark).label}; {_best_corner(x_spec, y_spec)} is best",
        x_label=_axis_label(x_spec),
        y_label=_axis_label(y_spec),
        x_ticks=axis(across, x_spec),
        y_ticks=_y_ticks(up, y_spec, SCATTER_PX),
        height=SCATTER_PX,
        kind="Model",
        rows=tuple(
            (model.label, value_text(x.value, x_spec), value_text(y.value, y_spec))
            for model, x, y in points
        ),
        crosses=tuple(_cross_with_label(i, crosses) for i in range(len(crosses))),
    )


def _y_ticks(up: Scale, spec: MetricSpec, height: int) -> tuple[Tick, ...]:
    return tuple(Tick(up.height(value, height), label) for value, label in labels(up, spec))


def _cross_with_label(index: int, crosses: Sequence[Cross]) -> Cross:
    """Return the cross with its label moved below those of nearby higher crosses."""
    cross = crosses[index]
    near = [
        (other.y, i)
        for i, other in enumerate(crosses)
        if abs(other.x - cross.x) < 25 and cross.y - other.y < 2 * LABEL_PX
    ]
    return cross._replace(below=sum(place < (cross.y, index) for place in near))


def _axis_label(spec: MetricSpec) -> str:
    direction = DIRECTIONS[spec.better]
    return f"{spec.label} ({direction})" if direction else spec.label


def _best_corner(x_spec: MetricSpec, y_spec: MetricSpec) -> str:
    across = "left" if x_spec.better == "lower" else "right"
    return f"{'bottom' if y_spec.better == 'lower' else 'top'} {across}"


def curve(report: ReportInput, spec: Curve) -> Plot | None:
    """Return the plot of a curve; None if no series has a point."""
    points = [point for series in spec.series for point in series.points]
    if not points:
        return None
    ends = [end for p in points for end in (p.y, p.low, p.high) if end is not None]
    up = scale_of([end * spec.scale for end in ends], from_zero=False)
    across = _across([p.x for p in points], log=spec.log_x)
    lines = [_line(report, series, i, (across, up), spec) for i, series in enumerate(spec.series)]
    return Plot(
        title=spec.title,
        note=spec.note,
        x_label=spec.x_label,
        y_label=spec.y_label,
        x_ticks=_x_ticks(spec, across),
        y_ticks=_y_ticks(up, BARE, CURVE_PX),
        height=CURVE_PX,
        kind="Line",
        rows=tuple(
            (series.label, _short(p.x), _short(p.y * spec.scale))
            for series in spec.series
            for p in series.points
        ),
        lines=tuple(_with_separate_labels([line for line in lines if line is not None])),
    )


def _across(values: Sequence[float], *, log: bool) -> Scale:
    positions = [math.log10(x) for x in values] if log else list(values)
    return Scale(min(positions), max(positions))


def _x_ticks(spec: Curve, across: Scale) -> tuple[Tick, ...]:
    """Round steps, whole ones for counts; on a logarithmic axis, the points themselves."""
    values = sorted({p.x for series in spec.series for p in series.points})
    if spec.log_x:
        return tuple(Tick(across.at(math.log10(x)), _short(x)) for x in values)
    return axis(across, BARE, whole=all(x == int(x) for x in values))


def _line(
    report: ReportInput, series: CurveSeries, index: int, scales: tuple[Scale, Scale], spec: Curve
) -> Line | None:
    if not series.points:
        return None
    across, up = scales
    names = [model.name for model in report.models]
    colour = report.colour(series.model) if series.model in names else index

    def at(x: float, y: float) -> str:
        place = across.at(math.log10(x) if spec.log_x else x)
        return f"{place:.2f},{up.height(y * spec.scale, 100):.2f}"

    upper = [at(p.x, p.high) for p in series.points if p.high is not None]
    lower = [at(p.x, p.low) for p in series.points if p.low is not None]
    last = series.points[-1]
    return Line(
        colour=colour,
        label=series.label,
        points=" ".join(at(p.x, p.y) for p in series.points),
        band=" ".join([*upper, *reversed(lower)]) if len(upper) > 1 else "",
        end_x=across.at(math.log10(last.x) if spec.log_x else last.x),
        end_y=up.height(last.y * spec.scale, CURVE_PX),
        text=_short(last.y * spec.scale),
        label_y=up.height(last.y * spec.scale, CURVE_PX),
    )


def _with_separate_labels(lines: list[Line]) -> list[Line]:
    """The lines with their labels moved apart, from the top down, then from the bottom up."""
    result: list[Line] = []
    floor = -math.inf
    for line in sorted(lines, key=lambda line: line.end_y):
        y = max(line.end_y, floor + LABEL_PX)
        result.append(line._replace(label_y=y))
        floor = y
    ceiling = math.inf
    for i in range(len(result) - 1, -1, -1):
        y = min(result[i].label_y, ceiling - LABEL_PX, CURVE_PX - 4)
        result[i] = result[i]._replace(label_y=y)
        ceiling = y
    return result


def _short(value: float) -> str:
    """A number with about three digits."""
    if value == int(value) or abs(value) >= 100:
        return number(value, 0)
    return number(value, max(0, 2 - math.floor(math.log10(abs(value)))))
