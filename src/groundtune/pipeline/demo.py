"""The whole loop on the embedded world: `groundtune demo`.

    OUT/run.json report.html summary.json   what it was made with, and what it shows
    OUT/prompts/ answers/ corrections/ pairs/ images/
    OUT/training/NAME/model/                a plain Hugging Face folder for each way of learning
    OUT/evaluation/NAME/                    scores of the base and of each model
    OUT/steps/                              which steps are done, and what they took

The same command goes on where it was stopped, and is over at once when all is done.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from groundtune import __version__
from groundtune.errors import UserError
from groundtune.pipeline.jobs import Done, Job, done_jobs, memory_mb, peak_mb, run_jobs
from groundtune.pipeline.world_steps import (
    Asked,
    Corrected,
    Evaluated,
    Evaluation,
    Learning,
    Trained,
    ask_job,
    correct_job,
    evaluate_job,
    fingerprint,
    learn_job,
)
from groundtune.protocols import Progress
from groundtune.records import Record, Sampling
from groundtune.store.files import write_atomic
from groundtune.store.keys import key_of
from groundtune.store.run import read_run, write_run

BASE = "base"
"""Name of the model that feedback is collected on, in scores and reports."""


class DemoSettings(Record):
    """The loop once; the shipped recipe is world-demo."""

    command: Literal["demo"] = "demo"
    model: str = "world:base"
    """What is asked, corrected and trained: world:base, or a folder."""
    prompts: int = Field(default=2000, ge=1)
    """Pictures that the model describes for the annotator."""
    sampling: Sampling = Sampling(max_new_tokens=96, temperature=1.0)
    """How those descriptions are drawn."""
    corrections: int = Field(default=1400, ge=1)
    """The annotator stops when something was wrong in so many answers: RLHF-V's number."""
    error_rate: float = Field(default=0.0, ge=0, le=1)
    """Share of what is wrong that the annotator misses or mends wrongly."""
    learn: dict[str, Learning] = Field(default={"ddpo": Learning()}, min_length=1)
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


def demo(
    settings: DemoSettings,
    out: Path,
    progress: Progress,
    *,
    workers: int = 0,
    command: Sequence[str] = (),
) -> DemoResult:
    """Runs the loop in `out`, or goes on with it, and writes report.html and summary.json there.

    `workers` is how many processes work at once, 0 for one a core.

    Raises:
        UserError: `out` holds a run with other settings, or what a step raises.
    """
    _note(settings, out, command)
    steps = run_jobs(out, demo_jobs(settings), progress, workers=workers, title="demo")
    there = read_result(out, steps)
    if there is not None:
        return there
    from groundtune.pipeline.world_report import report_demo

    return report_demo(settings, out, steps)


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
    return key_of(__version__, {name: done.key for name, done in steps.items()})


def demo_jobs(settings: DemoSettings) -> list[Job]:
    """The steps of the loop."""
    model, seed = settings.model, settings.seed
    inputs = (fingerprint(model),)
    asked = Asked(
        model=model,
        out=".",
        prompts=settings.prompts,
        sampling=settings.sampling,
        batch_size=settings.batch_size,
        seed=seed,
    )
    corrected = Corrected(
        source=".",
        out=".",
        corrections=settings.corrections,
        error_rate=settings.error_rate,
        seed=seed,
    )
    jobs = [
        ask_job("ask", asked, inputs),
        evaluate_job("evaluate-base", _evaluated(settings, BASE, model), inputs),
        correct_job("correct", corrected, needs=("ask",)),
    ]
    for name, learning in settings.learn.items():
        trained = Trained(
            model=model, pairs=".", out=f"training/{name}", learning=learning, seed=seed
        )
        jobs.append(learn_job(f"train-{name}", trained, ("correct",), settings.corrections))
    for name, learning in settings.learn.items():
        place = str(learning.model_in(Path("training") / name))
        wanted = _evaluated(settings, name, place)
        jobs.append(evaluate_job(f"evaluate-{name}", wanted, needs=(f"train-{name}",)))
    return jobs


def _evaluated(settings: DemoSettings, name: str, model: str) -> Evaluated:
    return Evaluated(
        model=model, label=name, out=f"evaluation/{name}", evaluation=settings.evaluation
    )


def _note(settings: DemoSettings, out: Path, command: Sequence[str]) -> None:
    """Writes run.json, once; a folder is for one run."""
    wanted = settings.model_dump(mode="json")
    if not (out / "run.json").exists():
        inputs = {"model": fingerprint(settings.model)}
        write_run(out, wanted, inputs, {"demo": settings.seed}, list(command))
        return
    there = read_run(out).recipe
    if there != wanted:
        other = ", ".join(name for name in wanted if there.get(name) != wanted[name])
        raise UserError(
            f"The folder holds a run with other settings ({other or 'of another command'}).",
            str(out),
            "Choose another folder with --out DIR, or the settings of the first time.",
        )


def rewrite_report(out: Path) -> Path:
    """The report of a demo that is done, made again of what its folder holds.

    Raises:
        UserError: the demo is not done.
    """
    settings = DemoSettings.model_validate(read_run(out).recipe)
    steps = done_jobs(out, demo_jobs(settings))
    if len(steps) < len(demo_jobs(settings)):
        raise UserError(
            f"The demo is not done: {len(steps)} of {len(demo_jobs(settings))} steps are.",
            str(out),
            f"Go on with it: groundtune demo --out {out}",
        )
    from groundtune.pipeline.world_report import report_demo

    return report_demo(settings, out, steps).report
