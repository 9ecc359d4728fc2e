"""Settings and result of a demo."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from groundtune.pipeline.runs.jobs import JobResult, memory_mb, peak_mb
from groundtune.pipeline.world.loop_settings import LoopSettings
from groundtune.records import Record
from groundtune.store.keys import key_of
from groundtune.store.run_json import versions
from groundtune.store.sealed import read_sealed, write_sealed


class DemoSettings(LoopSettings):
    """The loop once; the shipped recipe is world-demo."""

    command: Literal["demo"] = "demo"
    error_rate: float = Field(default=0.0, ge=0, le=1)
    """Share of the errors that the annotator misses or corrects wrongly."""
    seed: int = 0
    """Seed of the scenes, the sampling, the annotator and the training."""


class DemoResult(NamedTuple):
    """The result of a demo, and its files."""

    report: Path
    summary: Path
    """A list of rows {model, benchmark, metric, value, low, high, n}."""
    differences: Path
    """The same of each model minus the base, with the relative change."""
    verdict: str
    table: list[list[str]]
    """The main values as text; the first row is the header."""
    steps: dict[str, JobResult]

    @property
    def seconds(self) -> float:
        """Total time of all steps, even if some ran at the same time."""
        return round(sum(step.seconds for step in self.steps.values()), 1)

    @property
    def memory_mb(self) -> float:
        """Upper bound on the memory of all processes together, including this one."""
        return round(memory_mb(self.steps.values()) + peak_mb(), 1)


class _StoredResult(Record):
    """The stored summary of a demo's results."""

    key: str
    verdict: str
    table: list[list[str]]


def keep_result(
    out: Path,
    steps: Mapping[str, JobResult],
    *,
    report: Path,
    summary: Path,
    differences: Path,
    verdict: str,
    table: list[list[str]],
) -> DemoResult:
    """Store the result of a demo for the next call."""
    record = _StoredResult(key=_result_key(steps), verdict=verdict, table=table)
    write_sealed(out / "steps" / "result.json", record)
    return DemoResult(report, summary, differences, verdict, table, dict(steps))


def read_result(out: Path, steps: Mapping[str, JobResult]) -> DemoResult | None:
    """The stored result of exactly these steps, if all its files exist."""
    page, summary, differences = (
        out / name for name in ("report.html", "summary.json", "differences.json")
    )
    files = (page, summary, differences, out / "steps" / "result.json")
    if not all(file.exists() for file in files):
        return None
    record = read_sealed(out / "steps" / "result.json", _StoredResult)
    if record.key != _result_key(steps):
        return None
    return DemoResult(page, summary, differences, record.verdict, record.table, dict(steps))


def _result_key(steps: Mapping[str, JobResult]) -> str:
    return key_of(versions()["groundtune"], {name: step.key for name, step in steps.items()})
