"""Many runs of the loop on the embedded world, pooled: `groundtune study`.

    the main result      each way of learning, over seeds of sampling and training
    other bases          the same on bases that were trained from other seeds
    number of corrections, annotator's errors     a curve each, of the headline's way of learning
    a clean twin         a base trained on clean captions, measured beside the base

    OUT/run.json study.json study.md report.html
    OUT/asked/ corrected/ training/ evaluation/     one folder a run, named by what it is and a hash

Runs share what they have in common: a base's answers, its evaluation. Settings may change between
two times in the same folder: only runs that are new are done.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from groundtune.errors import UserError
from groundtune.pipeline.demo import BASE
from groundtune.pipeline.jobs import Done, Job, done_jobs, run_jobs
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
from groundtune.store.keys import key_of
from groundtune.store.run import read_run, write_run

TWIN = "clean twin"


class StudySettings(Record):
    """What is varied; the shipped recipe is world-study."""

    command: Literal["study"] = "study"
    model: str = "world:base"
    """The base of the main result and of the curves."""
    other_bases: dict[str, str] = Field(default_factory=dict[str, str])
    """Bases trained from other seeds, by a name: a folder each."""
    clean_twin: str = ""
    """A base trained on clean captions from the same seed; measured, never trained on."""
    prompts: int = Field(default=2400, ge=1)
    sampling: Sampling = Sampling(max_new_tokens=128, temperature=1.0)
    corrections: int = Field(default=1400, ge=1)
    """Of the main result."""
    learn: dict[str, Learning] = Field(default={"ddpo": Learning()}, min_length=1)
    headline: str = "ddpo"
    seeds: tuple[int, ...] = Field(default=(0, 1, 2), min_length=1)
    """Of scenes, draws, annotator and training, of the main result."""
    other_seeds: tuple[int, ...] = (0,)
    """The same on the other bases."""
    curve: tuple[int, ...] = (50, 200, 700)
    """Numbers of corrections beside that of the main result."""
    error_rates: tuple[float, ...] = (0.1, 0.2, 0.3)
    """Of the annotator, beside 0."""
    curve_seeds: tuple[int, ...] = (0,)
    """Seeds of the curves' runs."""
    evaluation: Evaluation = Evaluation()
    batch_size: int = Field(default=100, ge=1)

    @model_validator(mode="after")
    def _names(self) -> "StudySettings":
        if self.headline not in self.learn or {BASE, TWIN} & {*self.learn, *self.other_bases}:
            raise ValueError(f"headline must be one of {', '.join(self.learn)}, none called base")
        return self

    @property
    def bases(self) -> dict[str, str]:
        """All bases that are trained on, by name, that of the main result first."""
        return {BASE: self.model, **self.other_bases}


class Variant(NamedTuple):
    """One run of the loop."""

    base: str
    way: str
    seed: int
    corrections: int
    error_rate: float

    @property
    def name(self) -> str:
        """Its model's name in scores."""
        return (
            f"{self.way}-{self.base}-s{self.seed}-n{self.corrections}-e{self.error_rate * 100:.0f}"
        )


class Plan(NamedTuple):
    """The jobs, and where the scores of each model will be."""

    jobs: list[Job]
    scores: dict[str, Path]
    """Folder under the study's, by the model's name."""
    trained: dict[str, Path]
    """Folder of the training, by the model's name."""
    asked: list[Path]
    """Folders of the bases' answers."""


class StudyResult(NamedTuple):
    """What a study shows, and where."""

    report: Path
    results: Path
    markdown: Path
    verdict: str
    steps: dict[str, Done]


def variants(settings: StudySettings) -> list[Variant]:
    """Every run of the study once: the main result's first."""
    most = settings.corrections
    made = [Variant(BASE, way, s, most, 0.0) for s in settings.seeds for way in settings.learn]
    made += [
        Variant(base, way, s, most, 0.0)
        for base in settings.other_bases
        for s in settings.other_seeds
        for way in settings.learn
    ]
    for seed in settings.curve_seeds:
        way = settings.headline
        made += [Variant(BASE, way, seed, n, 0.0) for n in (*settings.curve, most)]
        made += [Variant(BASE, way, seed, most, rate) for rate in settings.error_rates]
    return list(dict.fromkeys(made))


def study_plan(settings: StudySettings) -> Plan:
    """The jobs of all runs; runs share answers, corrections and the bases' evaluations."""
    plan = Plan([], {}, {}, [])
    marks = {name: fingerprint(model) for name, model in settings.bases.items()}
    for name, model in settings.bases.items():
        _measure(plan, settings, name, model, marks[name])
    if settings.clean_twin:
        _measure(plan, settings, TWIN, settings.clean_twin, fingerprint(settings.clean_twin))
    for variant in variants(settings):
        _add(plan, settings, variant, marks[variant.base])
    return plan


def _measure(plan: Plan, settings: StudySettings, name: str, model: str, mark: str) -> None:
    """The evaluation of a model that is there already."""
    wanted = Evaluated(model=model, label=name, out="", evaluation=settings.evaluation)
    out = f"evaluation/{name.replace(' ', '-')}-{key_of(wanted, mark)[:8]}"
    wanted = wanted.model_copy(update={"out": out})
    plan.jobs.append(evaluate_job(f"evaluate-{Path(out).name}", wanted, (mark,)))
    plan.scores[name] = Path(out)


def _add(plan: Plan, settings: StudySettings, variant: Variant, mark: str) -> None:
    """The jobs of one run, without those that are there for another."""
    known = {job.name for job in plan.jobs}
    model, learning = settings.bases[variant.base], settings.learn[variant.way]
    asked = Asked(
        model=model,
        out="",
        prompts=settings.prompts,
        sampling=settings.sampling,
        batch_size=settings.batch_size,
        seed=variant.seed,
    )
    place = f"{variant.base}-s{variant.seed}-{key_of(asked, mark)[:8]}"
    asked = asked.model_copy(update={"out": f"asked/{place}"})
    corrected = Corrected(
        source=asked.out,
        out="",
        corrections=variant.corrections,
        error_rate=variant.error_rate,
        seed=variant.seed,
    )
    of_what = variant.name.removeprefix(f"{variant.way}-")
    fixed = f"{of_what}-{key_of(corrected)[:8]}"
    corrected = corrected.model_copy(update={"out": f"corrected/{fixed}"})
    trained = Trained(
        model=model, pairs=corrected.out, out="", learning=learning, seed=variant.seed
    )
    learnt = f"{variant.name}-{key_of(trained)[:8]}"
    trained = trained.model_copy(update={"out": f"training/{learnt}"})
    # what a tuned model knows is not asked: it is a fact about the bases
    evaluation = settings.evaluation.model_copy(update={"knowing": False})
    folder = learning.model_in(Path(trained.out))
    wanted = Evaluated(model=str(folder), label=variant.name, out="", evaluation=evaluation)
    measured = f"{variant.name}-{key_of(wanted)[:8]}"
    wanted = wanted.model_copy(update={"out": f"evaluation/{measured}"})
    jobs = [
        ask_job(f"ask-{place}", asked, (mark,)),
        correct_job(f"correct-{fixed}", corrected, (f"ask-{place}",)),
        learn_job(f"train-{learnt}", trained, (f"correct-{fixed}",), variant.corrections),
        evaluate_job(f"evaluate-{measured}", wanted, needs=(f"train-{learnt}",)),
    ]
    plan.jobs.extend(job for job in jobs if job.name not in known)
    plan.scores[variant.name] = Path(wanted.out)
    plan.trained[variant.name] = Path(trained.out)
    if Path(asked.out) not in plan.asked:
        plan.asked.append(Path(asked.out))


def study(
    settings: StudySettings,
    out: Path,
    progress: Progress,
    *,
    workers: int = 0,
    notebook: Path | None = None,
    command: Sequence[str] = (),
) -> StudyResult:
    """Does the runs that `out` lacks, and writes study.json, study.md and report.html there.

    The test split (`settings.evaluation.split`) opens only with a `notebook`, which receives one
    dated line.

    Raises:
        UserError: the test split without a notebook, or what a run raises.
    """
    if settings.evaluation.split == "test" and notebook is None:
        raise UserError(
            "The test split is closed: nothing may be tuned on it.",
            "evaluation.split=test",
            "Use the development split, or --final for the last measurement of all; it is noted.",
        )
    inputs = {name: fingerprint(model) for name, model in settings.bases.items()}
    seeds = {f"seed {seed}": seed for seed in settings.seeds}
    write_run(out, settings.model_dump(mode="json"), inputs, seeds, list(command))
    plan = study_plan(settings)
    steps = run_jobs(out, plan.jobs, progress, workers=workers, title="study")
    from groundtune.pipeline.study_report import note_opening, report_study

    made = report_study(settings, out, plan, steps)
    if notebook is not None and settings.evaluation.split == "test":
        note_opening(notebook, made.verdict, command)
    return made


def rewrite_study(out: Path) -> Path:
    """The report of a study that is done, made again of what its folder holds.

    Raises:
        UserError: the study is not done.
    """
    settings = StudySettings.model_validate(read_run(out).recipe)
    plan = study_plan(settings)
    steps = done_jobs(out, plan.jobs)
    if len(steps) < len(plan.jobs):
        raise UserError(
            f"The study is not done: {len(steps)} of {len(plan.jobs)} steps are.",
            str(out),
            f"Go on with it: groundtune study --out {out}",
        )
    from groundtune.pipeline.study_report import report_study

    return report_study(settings, out, plan, steps).report
