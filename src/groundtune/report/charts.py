"""Geometry of the charts of points with intervals; templates draw them as inline SVG.

Horizontal positions are percent of the chart's width, so that a chart fills a phone or a page
without scaling its text; heights are CSS pixels. Points have their 95% intervals; there are no
bars.
"""

from collections.abc import Sequence
from typing import NamedTuple

from groundtune.records import Difference, Estimate
from groundtune.report.figures import (
    in_sentence,
    range_text,
    signed_range_text,
    signed_text,
    value_text,
)
from groundtune.report.model import (
    MetricRef,
    MetricSpec,
    ReportInput,
    StratumEstimate,
    refs_in_order,
)
from groundtune.report.scales import Scale, Tick, axis, scale_of
from groundtune.report.tables import DIRECTIONS, front_refs, is_headline
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
    """A line of a chart with one or more dots; `group` is the heading above its first line."""

    group: str
    label: str
    dots: tuple[Dot, ...]


class DotChart(NamedTuple):
    """Tracks over one axis; `zero` is the position of no difference, if any."""

    title: str
    caption: str
    tracks: tuple[Track, ...]
    ticks: tuple[Tick, ...]
    zero: float | None
    cut: bool
    """Whether the axis doesn't begin at 0."""


def panels(report: ReportInput, role: str) -> list[DotChart]:
    """A small chart per metric that a role's table shows at first, except the headline."""
    refs = front_refs(report, role)
    visible = [r for r in refs if report.metric(r).chart and not is_headline(report, r)]
    return [panel(report, ref) for ref in visible]


def panel(report: ReportInput, ref: MetricRef) -> DotChart:
    """One metric's chart; its title summarises the differences."""
    spec = report.metric(ref)
    estimates = [report.estimate(model.name, ref) for model in report.models]
    present = [e for e in estimates if e is not None]
    scale = scale_of([end for e in present for end in _ends(e)], from_zero=False)
    tracks = [
        Track("", report.model(e.model).label, (_dot(report, e.model, _ends(e), spec, scale),))
        for e in present
    ]
    return DotChart(
        title=finding(report, ref),
        caption=f"{_caption(report, ref, spec)}; {_sizes(present)}",
        tracks=tuple(tracks),
        ticks=axis(scale, spec),
        zero=None,
        cut=scale.low > 0,
    )


def _sizes(rows: Sequence[Estimate] | Sequence[Difference]) -> str:
    """The numbers of items of these rows: "n = 500", or "n = 500 / 499" if they differ."""
    return "n = " + " / ".join(f"{n:,}" for n in dict.fromkeys(row.n for row in rows))


def headline_panel(report: ReportInput) -> DotChart | None:
    """The headline's chart, if it was measured."""
    headline = report.headline
    if headline is None or report.estimate(headline.model, headline) is None:
        return None
    return panel(report, headline)


def _caption(report: ReportInput, ref: MetricRef, spec: MetricSpec) -> str:
    return "; ".join(filter(None, (report.benchmark(ref.benchmark).label, DIRECTIONS[spec.better])))


def forests(report: ReportInput) -> list[DotChart]:
    """Differences in points on one axis: one chart for metrics to lower, one for metrics to raise.

    The titles count all differences; the charts have those that the tables show at first.
    """
    charts: list[DotChart] = []
    refs = [r for r in refs_in_order(report, report.estimates) if report.metric(r).unit == "%"]
    main = [*front_refs(report, "quality"), *front_refs(report, "cost")]
    for better in ("lower", "higher"):
        refs_of_direction = [r for r in refs if report.metric(r).better == better]
        visible = [r for r in refs_of_direction if r in main]
        rows = [_differences(report, ref) for ref in visible]
        if any(rows):
            all_differences = [d for ref in refs_of_direction for d in _differences(report, ref)]
            charts.append(_forest(report, visible, rows, _forest_title(all_differences, better)))
    return charts


def _differences(report: ReportInput, ref: MetricRef) -> list[Difference]:
    """A metric's differences, in the order of the models."""
    differences = (report.difference(model.name, ref) for model in report.models)
    return [d for d in differences if d is not None]


POINTS = MetricSpec(name="points", label="points", unit="points", scale=1)


def _forest(
    report: ReportInput, refs: list[MetricRef], rows: list[list[Difference]], title: str
) -> DotChart:
    ends = [end * report.metric(d).scale for row in rows for d in row for end in _ends(d)]
    wide = max(abs(end) for end in ends) or 1.0
    scale = scale_of([*ends, -0.15 * wide, 0.15 * wide])
    tracks: list[Track] = []
    for ref, row in zip(refs, rows, strict=True):
        spec = report.metric(ref)
        points = POINTS.model_copy(update={"decimals": spec.decimals})
        dots: list[Dot] = []
        for d in row:
            value, low, high = (end * spec.scale for end in _ends(d))
            dots.append(_dot(report, d.model, (value, low, high), points, scale, signed=True))
        if dots:
            label = f"{spec.label} ({_sizes(row)})"
            tracks.append(Track(report.benchmark(ref.benchmark).label, label, tuple(dots)))
    return DotChart(
        title=title,
        caption="Difference in points with its 95% interval; left of the line is less",
        tracks=tuple(tracks),
        ticks=axis(scale, POINTS, signed=True),
        zero=scale.at(0.0),
        cut=False,
    )


def _forest_title(pairs: list[Difference], better: str) -> str:
    """The number of differences that clearly improved, and that clearly got worse."""
    good = sum(d.clear and (d.value < 0) == (better == "lower") for d in pairs)
    bad = sum(d.clear for d in pairs) - good
    direction, opposite = ("fall", "rose") if better == "lower" else ("rise", "fell")
    against = f", {bad} clearly {opposite}" if bad else ""
    return f"What should {direction}: {good} of {len(pairs)} differences clearly did{against}"


def strata_charts(report: ReportInput) -> list[DotChart]:
    """One chart per kind of strata and metric: one line per stratum, one dot per model."""
    charts: list[DotChart] = []
    keys = dict.fromkeys((e.by, e.benchmark, e.metric) for e in report.strata)
    for by, benchmark, metric in keys:
        where = (by, benchmark, metric)
        rows = [e for e in report.strata if (e.by, e.benchmark, e.metric) == where]
        ref = MetricRef(benchmark=benchmark, metric=metric)
        charts.append(_strata_chart(report, by, rows, ref))
    return charts


def _strata_chart(
    report: ReportInput, by: str, rows: Sequence[StratumEstimate], ref: MetricRef
) -> DotChart:
    spec = report.metric(ref)
    scale = scale_of([end for e in rows for end in _ends(e)], from_zero=False)
    tracks: list[Track] = []
    for stratum in dict.fromkeys(e.stratum for e in rows):
        members = [
            e
            for model in report.models
            for e in rows
            if (e.model, e.stratum) == (model.name, stratum)
        ]
        dots = tuple(_dot(report, e.model, _ends(e), spec, scale) for e in members)
        tracks.append(Track("", f"{stratum} ({_sizes(members)})", dots))
    return DotChart(
        title=f"{spec.label}: {_strata_finding(report, by, rows)}",
        caption=_caption(report, ref, spec),
        tracks=tuple(tracks),
        ticks=axis(scale, spec),
        zero=None,
        cut=scale.low > 0,
    )


def _strata_finding(report: ReportInput, by: str, rows: Sequence[StratumEstimate]) -> str:
    """In how many parts the headline's model is lower or higher; else only what the parts are."""
    parts = in_sentence(by)
    headline = report.headline
    if headline is None:
        return f"by {parts}"
    before = {e.stratum: e.value for e in rows if e.model == headline.against}
    after = {e.stratum: e.value for e in rows if e.model == headline.model}
    both = [name for name in before if name in after]
    if not both:
        return f"by {parts}"
    spec = report.metric(rows[0])
    sign, way = (-1, "higher") if spec.better == "higher" else (1, "lower")
    improved_count = sum(sign * after[name] < sign * before[name] for name in both)
    label = report.model(headline.model).label
    return f"{label} is {way} in {improved_count} of {len(both)} parts, by {parts}"


def _ends(row: Estimate | Difference) -> tuple[float, float, float]:
    return row.value, row.low, row.high


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
