"""What a demo is told, and what it shows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from groundtune.pipeline.jobs import Done, memory_mb, peak_mb
from groundtune.pipeline.measure import BASE
from groundtune.pipeline.world.learning import WorldLearning
from groundtune.pipeline.world.steps import Evaluation
from groundtune.recipe import Settings
from groundtune.records import Record, Sampling
from groundtune.store.files import write_atomic
from groundtune.store.keys import key_of
from groundtune.store.run import versions


class DemoSettings(Settings):
    """The loop once; the shipped recipe is world-demo."""

    command: Literal["demo"] = "demo"
    model: str = "world:base"
    """What is asked, corrected and trained: world:base, or a folder."""
    prompts: int = Field(default=2000, ge=1)
    """Images that the model describes for the annotator."""
    sampling: Sampling = Sampling(max_new_tokens=96, temperature=1.0)
    """How those descriptions are drawn."""
    corrections: int = Field(default=1400, ge=1)
    """The annotator stops when something was wrong in so many answers: RLHF-V's number."""
    error_rate: float = Field(default=0.0, ge=0, le=1)
    """Share of what is wrong that the annotator misses or mends wrongly."""
    learn: dict[str, WorldLearning] = Field(default={"ddpo": WorldLearning()}, min_length=1)
    """Ways of learning from the same pairs, by the name that the report gives them."""
    headline: str = "ddpo"
    """The one that the verdict is about."""
    evaluation: Evaluation = Evaluation()
    batch_size: int = Field(default=100, ge=1)
    """Answers drawn at once: changes memory and speed only."""
    seed: int = 0
    """Of the scenes, the draws, the annotator and the training."""

    @model_validator(mode="after")
    def _headline_is_learnt(self) -> "DemoSettings":
        if self.headline not in self.learn or BASE in self.learn:
            raise ValueError(f"headline must be one of {', '.join(self.learn)}, none called base")
        return self


class DemoResult(NamedTuple):
    """What a demo shows, and where."""

    report: Path
    summary: Path
    """A list of rows {model, benchmark, metric, value, low, high, n}."""
    differences: Path
    """The same of each model minus the base, with the relative change."""
    verdict: str
    table: list[list[str]]
    """The main figures as text; the first row is the heads."""
    steps: dict[str, Done]

    @property
    def seconds(self) -> float:
        """Time of all steps together, though some ran at the same time."""
        return round(sum(done.seconds for done in self.steps.values()), 1)

    @property
    def memory_mb(self) -> float:
        """Most memory that all processes can have had together, this one included."""
        return round(memory_mb(self.steps.values()) + peak_mb(), 1)


class _Kept(Record):
    """What is said of a demo's results, so that it need not be computed again."""

    key: str
    verdict: str
    table: list[list[str]]


def keep_result(
    out: Path,
    steps: Mapping[str, Done],
    *,
    report: Path,
    summary: Path,
    differences: Path,
    verdict: str,
    table: list[list[str]],
) -> DemoResult:
    """The result of a demo, written down for the next time."""
    kept = _Kept(key=_result_key(steps), verdict=verdict, table=table)
    write_atomic(out / "steps" / "result.json", kept.model_dump_json().encode())
    return DemoResult(report, summary, differences, verdict, table, dict(steps))


def read_result(out: Path, steps: Mapping[str, Done]) -> DemoResult | None:
    """The result that was kept of these very steps, if all its files are there."""
    page, summary, differences = (
        out / name for name in ("report.html", "summary.json", "differences.json")
    )
    files = (page, summary, differences, out / "steps" / "result.json")
    if not all(file.exists() for file in files):
        return None
    kept = _Kept.model_validate_json((out / "steps" / "result.json").read_bytes())
    if kept.key != _result_key(steps):
        return None
    return DemoResult(page, summary, differences, kept.verdict, kept.table, dict(steps))


def _result_key(steps: Mapping[str, Done]) -> str:
    return key_of(versions()["groundtune"], {name: done.key for name, done in steps.items()})
