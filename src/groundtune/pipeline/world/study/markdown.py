"""A study's tables as Markdown, for the documentation."""

from collections.abc import Sequence
from typing import TypeVar

from groundtune.bench.world.captions import STRATA
from groundtune.pipeline.models.measure import BASE
from groundtune.pipeline.world.report import HEADLINE, caption_metric
from groundtune.pipeline.world.study.settings import TWIN, StudySettings
from groundtune.pipeline.world.study.tables import StudyPoint, StudyTables
from groundtune.records import Difference, Estimate
from groundtune.report import model
from groundtune.report.figures import signed_with_interval, with_interval
from groundtune.report.specs import model_label
from groundtune.report.tried import tried_text
from groundtune.report.verdict import verdict_text

T = TypeVar("T", Estimate, Difference)

CURVES = (
    (HEADLINE, "answers with an invented object, greedy"),
    (caption_metric("chair_sentence", "t1"), "the same, temperature 1"),
    (caption_metric("recall"), "objects there that are named, greedy"),
)


ROWS = (
    "chair_sentence",
    "chair_instance",
    "wrong_any",
    "recall",
    "mentions",
    "words",
    "again",
    "looping",
    "refusals",
    "accuracy",
    "f1",
    "yes_rate",
    "knows_better",
    "control",
    "in_context",
    "prior_slope",
)
"""Metrics of the Markdown tables."""


def markdown(settings: StudySettings, page: model.ReportInput, tables: StudyTables) -> str:
    """The study's tables, for the documentation."""
    final = settings.evaluation.split == "test"
    parts = [
        f"# Study on the embedded world, {settings.evaluation.split} split\n",
        verdict_text(page) + "\n",
        tried_text(settings.tried) + "\n",
        "## Before and after" + ("" if final else " (development split, nothing final)") + "\n",
        estimate_table(page, [e for e in page.estimates if _is_shown(e)]),
        "## Differences from the base, pooled over seeds\n",
        difference_table(page, [d for d in tables.differences if _is_shown(d)]),
    ]
    if tables.other_bases:
        rows = [d for d in tables.other_bases if _is_shown(d)]
        parts += ["## On other bases\n", difference_table(page, rows)]
        extra = [e for e in tables.bases if e.model not in (BASE, TWIN) and _is_shown(e)]
        parts += [estimate_table(page, extra)]
    for title, x_label, points in (
        ("Number of corrections", "corrections", tables.corrections),
        ("Annotator's errors", "error rate", tables.errors),
    ):
        parts += [f"## {title}\n", point_table(page, x_label, points)]
    parts.append("## At equal length (greedy captions)\n")
    for way in settings.learn:
        control = tables.length[way]
        parts += [
            f"{model_label(way)}: {control.how}\n",
            difference_table(page, control.differences),
        ]
    return "\n".join(parts)


def _is_shown(row: Estimate | Difference) -> bool:
    """Whether the tables have a metric: for over-generalisation strata, only the main two."""
    part = row.benchmark.partition("/")[2].partition("/")[0]
    return row.metric in (ROWS if part not in STRATA else (*ROWS[:1], "overgeneral_delta"))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _head(cells: Sequence[str]) -> str:
    return _row(cells) + _row(["---"] * len(cells))


def estimate_table(page: model.ReportInput, estimates: Sequence[Estimate]) -> str:
    """A row per metric, a column per model, each value with its 95% interval."""
    names = list(dict.fromkeys(e.model for e in estimates))
    text = _head(["benchmark", "metric", *names])
    for ref in model.refs_in_order(page, estimates):
        spec = page.metric(ref)
        estimates_ = [model.find_estimate(estimates, name, ref) for name in names]
        text += _row(
            [ref.benchmark, spec.label, *(with_interval(estimate, spec) for estimate in estimates_)]
        )
    return text


def difference_table(page: model.ReportInput, rows: Sequence[Difference]) -> str:
    """A row per difference, with its 95% interval and the relative difference."""
    text = _head(["model", "benchmark", "metric", "difference", "relative"])
    for row in rows:
        spec = page.metric(row)
        change = signed_with_interval(row, spec)
        text += _row([row.model, row.benchmark, spec.label, change, relative_text(row)])
    return text


def relative_text(row: Difference) -> str:
    """The relative change in percent, with its interval if there is one."""
    if row.relative is None:
        return "-"
    ends = (row.relative_low, row.relative_high)
    span = "" if None in ends else f" [{ends[0]:+.1%}, {ends[1]:+.1%}]"
    return f"{row.relative:+.1%}{span}"


def point_table(page: model.ReportInput, x_label: str, points: Sequence[StudyPoint]) -> str:
    """A row per point of a curve."""
    text = _head([x_label, *(name for _, name in CURVES), "relative to the base"])
    for point in points:
        cells = [with_interval(_only(point.estimates, ref), page.metric(ref)) for ref, _ in CURVES]
        change = _only(point.differences, HEADLINE)
        text += _row([f"{point.x:g}", *cells, relative_text(change) if change else "-"])
    return text


def _only(rows: Sequence[T], ref: model.MetricRef) -> T | None:
    """The row of a metric, if all rows are of one model."""
    where = (ref.benchmark, ref.metric)
    return next((row for row in rows if (row.benchmark, row.metric) == where), None)
