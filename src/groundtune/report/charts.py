"""Geometry of the charts of points with intervals. Templates draw it as inline SVG.

Horizontal positions are percent of the chart's width, so that a chart fills a phone or a page without its text
being scaled; heights are CSS pixels. Points have their 95% intervals; there are no bars.
"""

from collections.abc import Sequence
from typing import NamedTuple

from groundtune.report.figures import range_text, signed_range_text, signed_text, value_text
from groundtune.report.model import (
    MetricRef,
    MetricSpec,
    ReportInput,
    StratumEstimate,
    find_difference,
    find_estimate,
    refs_in_order,
)
from groundtune.report.scales import Scale, Tick, axis, scale_of
from groundtune.report.tables import DIRECTIONS
from groundtune.report.verdict import finding


class Dot(NamedTuple):
    """A value with its interval: positions in percent."""

    colour: int
    label: str
    text: str
    interval: str
    x: float
    low: float
    high: float


class Track(NamedTuple):
    """A line of a chart with one or more dots."""

    label: str
    dots: tuple[Dot, ...]


class DotChart(NamedTuple):
    """Tracks over one axis. `zero` is where a difference of nothing stands, None if there is no such place."""

    title: str
    caption: str
    tracks: tuple[Track, ...]
    ticks: tuple[Tick, ...]
    zero: float | None
    cut: bool
    """Whether the axis begins elsewhere than at 0."""


def panels(report: ReportInput, role: str) -> list[DotChart]:
    """A small chart for every metric of a role: the models below each other."""
    refs = [
        r for r in refs_in_order(report, report.estimates) if report.metric(r.metric).role == role
    ]
    return [panel(report, ref) for ref in refs if report.metric(ref.metric).chart]


def panel(report: ReportInput, ref: MetricRef) -> DotChart:
    """One metric's chart; its title says what the differences show."""
    spec = report.metric(ref.metric)
    found = [find_estimate(report.estimates, model.name, ref) for model in report.models]
    present = [e for e in found if e is not None]
    scale = scale_of([end for e in present for end in (e.low, e.high, e.value)], from_zero=False)
    tracks: list[Track] = []
    for e in present:
        label = report.model(e.model).label
        tracks.append(Track(label, (_dot(report, e.model, (e.value, e.low, e.high), spec, scale),)))
    direction = DIRECTIONS[spec.better]
    caption = ", ".join(filter(None, (report.benchmark(ref.benchmark).label, direction)))
    return DotChart(
        finding(report, ref), caption, tuple(tracks), axis(scale, spec), None, scale.low > 0
    )


def forests(report: ReportInput) -> list[DotChart]:
    """Differences in points on one axis, apart for what should fall and for what should rise."""
    charts: list[DotChart] = []
    refs = refs_in_order(report, report.estimates)
    titles = {"lower": "What should fall", "higher": "What should rise"}
    for better, title in titles.items():
        chosen = [r for r in refs if report.metric(r.metric).better == better]
        chosen = [r for r in chosen if report.metric(r.metric).unit == "%"]
        chart = _forest(report, chosen, title, better)
        if chart is not None:
            charts.append(chart)
    return charts


def _forest(report: ReportInput, refs: list[MetricRef], title: str, better: str) -> DotChart | None:
    pairs = [
        d
        for d in report.differences
        if any((d.benchmark, d.metric) == (r.benchmark, r.metric) for r in refs)
    ]
    if not pairs:
        return None
    wide = max(abs(end) for d in pairs for end in (d.low, d.high)) or 1.0
    scale = scale_of([*(end for d in pairs for end in (d.low, d.high)), -0.15 * wide, 0.15 * wide])
    tracks: list[Track] = []
    for ref in refs:
        spec = report.metric(ref.metric)
        dots: list[Dot] = []
        for model in report.models:
            d = find_difference(report.differences, model.name, ref)
            if d is not None:
                dots.append(
                    _dot(report, model.name, (d.value, d.low, d.high), spec, scale, signed=True)
                )
        several = len({r.benchmark for r in refs}) > 1
        where = f", {report.benchmark(ref.benchmark).label}" if several else ""
        if dots:
            tracks.append(Track(spec.label + where, tuple(dots)))
    good = sum(d.clear and (d.value < 0) == (better == "lower") for d in pairs)
    bad = sum(d.clear for d in pairs) - good
    verb = "fell" if better == "lower" else "rose"
    said = f"{title}: {good} of {len(pairs)} clearly {verb}"
    said += f", {bad} clearly {'rose' if better == 'lower' else 'fell'}" if bad else ""
    spec = MetricSpec(name="points", label="points")
    caption = (
        "Difference in points with its 95% interval; left of the line is less, right of it more"
    )
    return DotChart(
        said, caption, tuple(tracks), axis(scale, spec, signed=True), scale.at(0.0), False
    )


def strata_charts(report: ReportInput) -> list[DotChart]:
    """For each way of telling items apart and each metric: the strata below each other, a dot a model."""
    charts: list[DotChart] = []
    keys = dict.fromkeys((e.by, e.benchmark, e.metric) for e in report.strata)
    for by, benchmark, metric in keys:
        rows = [
            e for e in report.strata if (e.by, e.benchmark, e.metric) == (by, benchmark, metric)
        ]
        charts.append(
            _strata_chart(report, by, rows, MetricRef(benchmark=benchmark, metric=metric))
        )
    return charts


def _strata_chart(
    report: ReportInput, by: str, rows: Sequence[StratumEstimate], ref: MetricRef
) -> DotChart:
    spec = report.metric(ref.metric)
    scale = scale_of([end for e in rows for end in (e.low, e.high, e.value)], from_zero=False)
    tracks: list[Track] = []
    for stratum in dict.fromkeys(e.stratum for e in rows):
        members = [e for e in rows if e.stratum == stratum]
        dots = tuple(_dot(report, e.model, (e.value, e.low, e.high), spec, scale) for e in members)
        sizes = " / ".join(f"{n:,}" for n in dict.fromkeys(e.n for e in members))
        tracks.append(Track(f"{stratum} (n = {sizes})", dots))
    caption = ", ".join(
        filter(None, (report.benchmark(ref.benchmark).label, DIRECTIONS[spec.better]))
    )
    title = f"{spec.label}, by {by[:1].lower()}{by[1:]}"
    return DotChart(title, caption, tuple(tracks), axis(scale, spec), None, scale.low > 0)


def _dot(
    report: ReportInput,
    model: str,
    ends: tuple[float, float, float],
    spec: MetricSpec,
    scale: Scale,
    *,
    signed: bool = False,
) -> Dot:
    """A dot from (value, low, high)."""
    value, low, high = ends
    return Dot(
        colour=report.colour(model),
        label=report.model(model).label,
        text=signed_text(value, spec) if signed else value_text(value, spec),
        interval=signed_range_text(low, high, spec) if signed else range_text(low, high, spec),
        x=scale.at(value),
        low=scale.at(low),
        high=scale.at(high),
    )
