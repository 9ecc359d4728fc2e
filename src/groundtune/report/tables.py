"""The tables of the report, ready for the templates: one row per metric, one cell per model."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from groundtune.records import Difference, Estimate
from groundtune.report.figures import (
    change_text,
    interval_text,
    signed_interval,
    signed_text,
    value_text,
)
from groundtune.report.model import (
    HasMetric,
    MetricRef,
    MetricSpec,
    ReportInput,
    family,
    find_difference,
    find_estimate,
    refs_in_order,
)
from groundtune.report.verdict import Tone, named_spec, tone_of

WORDS: dict[Tone, str] = {
    "better": "better",
    "worse": "worse",
    "changed": "changed",
    "unclear": "no clear change",
    "unchecked": "",
}


class ModelCell(NamedTuple):
    """A model's value, and its difference from the compared one ("" if there is none)."""

    colour: int
    label: str
    value: str
    interval: str
    change: str
    change_interval: str
    tone: Tone
    word: str


class MetricRow(NamedTuple):
    """A metric."""

    label: str
    unit: str
    explanation: str
    direction: str
    n: str
    cells: tuple[ModelCell, ...]
    headline: bool


class MetricGroup(NamedTuple):
    """A benchmark's rows."""

    label: str
    rows: tuple[MetricRow, ...]


class MetricTable(NamedTuple):
    """A table; `compared` counts its differences, `clear` the clear ones."""

    groups: tuple[MetricGroup, ...]
    compared: int
    clear: int

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(len(group.rows) for group in self.groups)


SHORT_ENOUGH = 8
"""Maximum rows of a table that is shown completely."""
FRONT = 4
"""Rows of the headline's benchmark that are visible at first."""


def front(report: ReportInput, role: str) -> MetricTable | None:
    """The few rows that are visible at first; None if the table is short anyway."""
    refs = front_refs(report, role)
    if len(refs) == len(_refs_of(report, role)):
        return None
    visible = {_place(ref) for ref in refs}
    return table(report, role, [e for e in report.estimates if _place(e) in visible])


def _refs_of(report: ReportInput, role: str) -> list[MetricRef]:
    return [r for r in refs_in_order(report, report.estimates) if _role(report, r) == role]


def front_refs(report: ReportInput, role: str) -> list[MetricRef]:
    """The metrics of a role that tables and charts show at first: all, if they are few.

    For the headline's benchmark, its first rows and those that the verdict names; for every other
    benchmark, over all its parts and decodings, the metrics that the verdict names, else its first
    row.
    """
    refs = _refs_of(report, role)
    if len(refs) <= SHORT_ENOUGH:
        return refs
    headline = report.headline
    main = headline.benchmark if headline else refs[0].benchmark
    verdict_refs = (
        {_place(ref) for ref in headline.companions} if headline else set[tuple[str, str]]()
    )
    covered = {family(benchmark) for benchmark, _ in verdict_refs} | {family(main)}
    added: set[str] = set()
    visible: set[tuple[str, str]] = set()
    for ref in refs:
        benchmark_name = family(ref.benchmark)
        if ref.benchmark == main:
            early = sum(benchmark == main for benchmark, _ in visible) < FRONT
            visible |= {_place(ref)} if early or _place(ref) in verdict_refs else set()
        elif _place(ref) in verdict_refs or (
            benchmark_name not in covered and benchmark_name not in added
        ):
            visible.add(_place(ref))
            added.add(benchmark_name)
    return [ref for ref in refs if _place(ref) in visible]


def _place(ref: HasMetric) -> tuple[str, str]:
    return ref.benchmark, ref.metric


def _role(report: ReportInput, ref: MetricRef) -> str:
    return report.metric(ref).role


DIRECTIONS = {"lower": "lower is better", "higher": "higher is better", "neutral": ""}


def table(
    report: ReportInput,
    role: str,
    estimates: Sequence[Estimate] | None = None,
    differences: Sequence[Difference] | None = None,
) -> MetricTable:
    """Rows for the metrics of a role ("" for all), of the report's or of the given values."""
    estimate_rows = report.estimates if estimates is None else estimates
    difference_rows = report.differences if differences is None else differences
    refs = [r for r in refs_in_order(report, estimate_rows) if role in ("", report.metric(r).role)]
    groups: list[MetricGroup] = []
    for benchmark in dict.fromkeys(ref.benchmark for ref in refs):
        rows = [
            _row(report, ref, estimate_rows, difference_rows)
            for ref in refs
            if ref.benchmark == benchmark
        ]
        groups.append(MetricGroup(report.benchmark(benchmark).label, tuple(rows)))
    tones = [cell.tone for group in groups for row in group.rows for cell in row.cells]
    compared_tones = [tone for tone in tones if tone != "unchecked"]
    return MetricTable(
        tuple(groups), len(compared_tones), sum(tone != "unclear" for tone in compared_tones)
    )


class BeforeAfter(NamedTuple):
    """A metric of the strip below the verdict, before and after."""

    label: str
    before: str
    after: str
    change: str
    """The difference with its unit; "" without a comparison."""
    tone: Tone
    word: str


def strip(report: ReportInput) -> tuple[BeforeAfter, ...]:
    """Return the headline metric and those shown with it, before and after.

    Saturated metrics are left out: a share near 0 or 1 for both models no longer distinguishes
    them.
    """
    headline = report.headline
    if headline is None:
        return ()
    refs = (headline, *headline.companions)
    return tuple(filter(None, (_change(report, r) for r in refs if not _is_saturated(report, r))))


SATURATED = 0.98
"""A share of at least this, or at most 1 minus this, no longer distinguishes models."""


def _is_saturated(report: ReportInput, ref: HasMetric) -> bool:
    headline = report.headline
    if headline is None or report.metric(ref).unit != "%":
        return False
    estimates = [report.estimate(name, ref) for name in (headline.against, headline.model)]
    values = [row.value for row in estimates if row is not None]
    return min(values, default=0.5) >= SATURATED or max(values, default=0.5) <= 1 - SATURATED


def _change(report: ReportInput, ref: MetricRef) -> BeforeAfter | None:
    headline = report.headline
    if headline is None:
        return None
    before = report.estimate(headline.against, ref)
    after = report.estimate(headline.model, ref)
    if before is None or after is None or headline.model == headline.against:
        return None
    spec = named_spec(report, ref)
    difference = report.difference(headline.model, ref)
    tone = tone_of(difference, spec)
    return BeforeAfter(
        label=spec.label,
        before=value_text(before.value, spec),
        after=value_text(after.value, spec),
        change=change_text(difference, spec) if difference else "",
        tone=tone,
        word="" if tone == "changed" else WORDS[tone],
    )


def _row(
    report: ReportInput,
    ref: MetricRef,
    estimates: Sequence[Estimate],
    differences: Sequence[Difference],
) -> MetricRow:
    spec = report.metric(ref)
    cells: list[ModelCell] = []
    sizes: list[int] = []
    for model in report.models:
        row = find_estimate(estimates, model.name, ref)
        if row is None:
            continue
        difference = find_difference(differences, model.name, ref)
        cells.append(_cell(report, row, difference, spec))
        sizes.append(row.n)
    return MetricRow(
        label=spec.label,
        unit="" if spec.unit == "%" else spec.unit,
        explanation=spec.explanation,
        direction=DIRECTIONS[spec.better],
        n=" / ".join(f"{n:,}" for n in dict.fromkeys(sizes)),
        cells=tuple(cells),
        headline=is_headline(report, ref),
    )


def is_headline(report: ReportInput, ref: MetricRef) -> bool:
    """Whether the verdict is about this metric."""
    headline = report.headline
    return headline is not None and (headline.benchmark, headline.metric) == (
        ref.benchmark,
        ref.metric,
    )


def _cell(
    report: ReportInput, row: Estimate, difference: Difference | None, spec: MetricSpec
) -> ModelCell:
    tone = tone_of(difference, spec)
    change = interval = ""
    if difference is not None:
        change = signed_text(difference.value, spec)
        interval = signed_interval(difference, spec)
    return ModelCell(
        colour=report.colour(row.model),
        label=report.model(row.model).label,
        value=value_text(row.value, spec),
        interval=interval_text(row, spec),
        change=change,
        change_interval=interval,
        tone=tone,
        word=WORDS[tone],
    )


def flat(settings: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as "method.beta" and "0.1", in order."""
    rows: list[tuple[str, str]] = []
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            rows += flat(cast("Mapping[str, object]", value), f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", _plain(cast("object", value))))
    return rows


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item) for item in cast("Sequence[object]", value))
    return "none" if value is None else str(value)
