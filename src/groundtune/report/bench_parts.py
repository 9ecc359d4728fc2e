"""Benchmark details of a report besides scores: tests, behaviour, tool readings, judges."""

from groundtune.bench.stats.behaviour import Behaviour, BehaviourWarning
from groundtune.bench.stats.paired import HeadlineTest
from groundtune.bench.text.tool_readings import DisputedAnswer, ToolReading
from groundtune.records import Record


class JudgeSummary(Record):
    """The judge of a benchmark and its noise."""

    benchmark: str
    model: str
    properties: dict[str, str]
    """Model, revision, prompt and so on: label to plain text."""
    items: int = 0
    repeats: float = 0.0
    item_error: float = 0.0
    """Standard error of the mean from the choice of items, in the grade's unit."""
    judge_error: float = 0.0
    """The same from judge noise."""
    judge_share: float = 0.0


class BenchParts(Record):
    """All benchmark details; each part may be empty."""

    tests: tuple[HeadlineTest, ...] = ()
    behaviours: tuple[Behaviour, ...] = ()
    warnings: tuple[BehaviourWarning, ...] = ()
    readings: tuple[ToolReading, ...] = ()
    apart: tuple[DisputedAnswer, ...] = ()
    judges: tuple[JudgeSummary, ...] = ()
