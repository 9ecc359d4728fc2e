"""Converts `BenchParts` to tables of text for the templates."""

from collections.abc import Sequence
from typing import NamedTuple

from groundtune.bench.stats.behaviour import LABELS, Behaviour, BehaviourWarning
from groundtune.bench.stats.paired import HeadlineTest
from groundtune.bench.text.tool_readings import DisputedAnswer, ToolReading
from groundtune.report.bench_parts import BenchParts, JudgeSummary
from groundtune.report.figures import (
    number,
    p_text,
    signed_interval,
    signed_text,
    value_text,
)
from groundtune.report.model import MetricRef, MetricSpec, ReportInput
from groundtune.report.tables import WORDS
from groundtune.report.verdict import Tone, tone_of

FRONT = 8
"""Number of rows of a table that are visible at first."""
TOOLS: dict[str, str] = {
    "pope": "POPE, LLaVA",
    "vcd": "VCD, Deco",
    "mme": "MME",
    "vlmevalkit": "VLMEvalKit",
    "lmms_eval_pope": "lmms-eval, POPE",
    "lmms_eval_mme": "lmms-eval, MME",
    "amber": "AMBER",
    "strict": "Groundtune, strict",
}


class TestRow(NamedTuple):
    """A headline's test."""

    __test__ = False

    benchmark: str
    metric: str
    colour: int
    model: str
    before: str
    after: str
    change: str
    interval: str
    tone: Tone
    word: str
    p: str
    p_holm: str
    how: str
    smallest: str
    improved: str
    worsened: str
    unchanged: str


class BehaviourCell(NamedTuple):
    """A count or share of behaviour; `warning` is the guard's text, if any."""

    text: str
    warning: str


class BehaviourRow(NamedTuple):
    """A model's behaviour on one benchmark."""

    benchmark: str
    colour: int
    model: str
    n: str
    cells: tuple[BehaviourCell, ...]


class ToolRow(NamedTuple):
    """A tool's reading of each model's answers; "" if it has none."""

    tool: str
    cells: tuple[tuple[str, str, str], ...]
    """(share right, unreadable answers, answers read differently from here)."""


class ToolTable(NamedTuple):
    """A benchmark's answers as the tools read them."""

    benchmark: str
    models: tuple[tuple[int, str], ...]
    rows: tuple[ToolRow, ...]
    apart: tuple[tuple[DisputedAnswer, tuple[tuple[str, str], ...]], ...]
    """Answers that the tools read differently, each with (reading, the tools with it)."""


class JudgeRow(NamedTuple):
    """The judge of a benchmark and its noise."""

    title: str
    properties: tuple[tuple[str, str], ...]


class BenchTables(NamedTuple):
    """All tables; each may be empty. Of the first two, only `front` rows are visible at first."""

    front: int
    tests: tuple[TestRow, ...]
    family: int
    """Number of tests for which p is corrected."""
    heads: tuple[str, ...]
    behaviours: tuple[BehaviourRow, ...]
    tools: tuple[ToolTable, ...]
    judges: tuple[JudgeRow, ...]


def bench_tables(report: ReportInput) -> BenchTables | None:
    """Return the tables of a report's benchmarks; None if it has no benchmark details."""
    parts = report.bench
    if parts is None:
        return None
    order = [spec.name for spec in report.subject.benchmarks]
    tests = sorted(parts.tests, key=lambda part: _place(order, part.benchmark))
    behaviours = sorted(parts.behaviours, key=lambda part: _place(order, part.benchmark))
    return BenchTables(
        front=FRONT,
        tests=tuple(_test(report, test) for test in tests),
        family=len(parts.tests),
        heads=tuple(LABELS.values()),
        behaviours=tuple(_behaviour(report, part, parts.warnings) for part in behaviours),
        tools=tuple(_tools(report, parts)),
        judges=tuple(_judge(report, part) for part in parts.judges),
    )


def _place(order: Sequence[str], benchmark: str) -> int:
    return order.index(benchmark) if benchmark in order else len(order)


def _test(report: ReportInput, test: HeadlineTest) -> TestRow:
    spec = report.metric(test)
    ref = MetricRef(benchmark=test.benchmark, metric=test.metric)
    ends = [report.estimate(name, ref) for name in (test.against, test.model)]
    before, after = (value_text(e.value, spec) if e else "" for e in ends)
    tone = tone_of(test, spec)
    return TestRow(
        benchmark=report.benchmark(test.benchmark).label,
        metric=spec.label,
        colour=report.colour(test.model),
        model=report.model(test.model).label,
        before=before,
        after=after,
        change=signed_text(test.value, spec),
        interval=signed_interval(test, spec),
        tone=tone,
        word=WORDS[tone],
        p=p_text(test.p),
        p_holm=p_text(test.p_holm),
        how=test.test,
        smallest=_size(test.smallest, spec),
        improved=number(test.improved, 0),
        worsened=number(test.worsened, 0),
        unchanged=number(test.unchanged, 0),
    )


def _size(value: float, spec: MetricSpec) -> str:
    return number(spec.scale * value, spec.decimals)


def _behaviour(
    report: ReportInput, behaviour: Behaviour, warnings: Sequence[BehaviourWarning]
) -> BehaviourRow:
    text_of_guard: dict[str, str] = {}
    for warning in warnings:
        if (warning.model, warning.benchmark) == (behaviour.model, behaviour.benchmark):
            text_of_guard[warning.guard] = " ".join(
                filter(None, (text_of_guard.get(warning.guard), warning.text))
            )
    values: dict[str, str] = {
        "constant": _share(behaviour.constant),
        "yes": _share(behaviour.yes),
        "repeating": _share(behaviour.repeating),
        "distinct_2": _share(behaviour.distinct_2),
        "refusals": _share(behaviour.refusals),
        "empty": _share(behaviour.empty),
        "cut": _share(behaviour.cut),
        "unparsed": _share(behaviour.unparsed),
        "words": number(behaviour.words, 1),
    }
    return BehaviourRow(
        benchmark=report.benchmark(behaviour.benchmark).label,
        colour=report.colour(behaviour.model),
        model=report.model(behaviour.model).label,
        n=number(behaviour.n, 0),
        cells=tuple(BehaviourCell(values[name], text_of_guard.get(name, "")) for name in LABELS),
    )


def _share(value: float | None) -> str:
    return "\u2013" if value is None else number(100 * value, 1)


def _tools(report: ReportInput, parts: BenchParts) -> list[ToolTable]:
    tables: list[ToolTable] = []
    for name in dict.fromkeys(reading.benchmark for reading in parts.readings):
        benchmark_readings = [reading for reading in parts.readings if reading.benchmark == name]
        models = list(dict.fromkeys(reading.model for reading in benchmark_readings))
        apart = [reading for reading in parts.apart if reading.benchmark == name]
        tables.append(
            ToolTable(
                benchmark=report.benchmark(name).label,
                models=tuple((report.colour(m), report.model(m).label) for m in models),
                rows=tuple(
                    ToolRow(
                        TOOLS.get(tool, tool),
                        tuple(_reading(benchmark_readings, tool, m) for m in models),
                    )
                    for tool in dict.fromkeys(reading.tool for reading in benchmark_readings)
                ),
                apart=tuple((reading, _by_reading(reading)) for reading in apart),
            )
        )
    return tables


def _reading(rows: Sequence[ToolReading], tool: str, model: str) -> tuple[str, str, str]:
    row = next((r for r in rows if (r.tool, r.model) == (tool, model)), None)
    if row is None:
        return "", "", ""
    return number(100 * row.share, 1) + "%", number(row.unread, 0), number(row.other, 0)


def _by_reading(apart: DisputedAnswer) -> tuple[tuple[str, str], ...]:
    tools_of: dict[str, list[str]] = {}
    for tool, reading in apart.readings.items():
        tools_of.setdefault(reading, []).append(TOOLS.get(tool, tool))
    return tuple((reading, "; ".join(tools)) for reading, tools in tools_of.items())


def _judge(report: ReportInput, judge: JudgeSummary) -> JudgeRow:
    properties = dict(judge.properties)
    if judge.repeats > 1:
        properties["asked"] = f"{judge.repeats:.3g} times each of {judge.items:,} items"
        properties["standard error of the mean"] = (
            f"{judge.item_error:.3g} from the choice of items, {judge.judge_error:.3g} from judge "
            f"noise ({100 * judge.judge_share:.0f}% of the variance)"
        )
    label = report.benchmark(judge.benchmark).label
    return JudgeRow(f"{label}, {report.model(judge.model).label}", tuple(properties.items()))
