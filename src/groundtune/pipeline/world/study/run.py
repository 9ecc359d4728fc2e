"""Many runs of the loop on the embedded world, pooled: `groundtune study`.

    the main result      each way of learning, over seeds of sampling and training
    other bases          the same on bases that were trained from other seeds
    number of corrections, annotator's errors     a curve each, of the headline's way of learning
    a clean twin         a base trained on clean captions, measured next to the base

    OUT/run.json study.json study.md report.html
    OUT/asked/ corrected/ training/ evaluation/     one folder a run, named by what it is and a hash

Runs share what they have in common: a base's answers, its evaluation. Settings may change between
two times in the same folder: only runs that are new are done.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from groundtune.bench.run.opening import note_opening, refuse_without_notebook
from groundtune.pipeline.feedback.corrections import LabelSettings
from groundtune.pipeline.models.names import fingerprint, fingerprints
from groundtune.pipeline.runs.jobs import run_jobs
from groundtune.pipeline.runs.resume import open_run, read_finished
from groundtune.pipeline.world.steps import (
    CorrectStep,
    EvaluateStep,
    LearnStep,
    SampleStep,
    correct_job,
    evaluate_job,
    learn_job,
    sample_job,
)
from groundtune.pipeline.world.study.settings import (
    TWIN,
    StudyPlan,
    StudyResult,
    StudySettings,
    Variant,
    variants,
)
from groundtune.protocols import Progress
from groundtune.store.keys import key_of
from groundtune.world import NAME

VERBS = ("ask", "correct", "train", "evaluate")
Step = TypeVar("Step", SampleStep, CorrectStep, LearnStep, EvaluateStep)


def study_plan(settings: StudySettings) -> StudyPlan:
    """The jobs of all runs; runs share answers, corrections and the bases' evaluations."""
    plan = StudyPlan([], {}, {}, [])
    marks = {name: fingerprint(model) for name, model in settings.bases.items()}
    for name, model in settings.bases.items():
        _measure(plan, settings, name, model, marks[name])
    if settings.clean_twin:
        _measure(plan, settings, TWIN, settings.clean_twin, fingerprint(settings.clean_twin))
    for variant in variants(settings):
        _add(plan, settings, variant, marks[variant.base])
    return plan


def _measure(plan: StudyPlan, settings: StudySettings, name: str, model: str, mark: str) -> None:
    """The evaluation of an existing model."""
    base = settings.labelled(model, name)
    step = EvaluateStep(model=base, out="", evaluation=settings.evaluation)
    step = _placed(step, "evaluation", name.replace(" ", "-"), mark)
    plan.jobs.append(evaluate_job(f"evaluate-{Path(step.out).name}", step, (mark,)))
    plan.scores[name] = Path(step.out)


def _add(plan: StudyPlan, settings: StudySettings, variant: Variant, mark: str) -> None:
    """Add the jobs of one run that are not in the plan yet."""
    job_names = {job.name for job in plan.jobs}
    model, learning = settings.bases[variant.base], settings.learn[variant.way]
    sample = SampleStep(sample=settings.descriptions(model, variant.seed), out="")
    sample = _placed(sample, "asked", f"{variant.base}-s{variant.seed}", mark)
    label = LabelSettings(annotator=NAME, error_rate=variant.error_rate, seed=variant.seed)
    correct = CorrectStep(source=sample.out, out="", enough=variant.corrections, label=label)
    correct = _placed(correct, "corrected", variant.name.removeprefix(f"{variant.way}-"))
    base = settings.labelled(model)
    learn = LearnStep(model=base, pairs=correct.out, out="", learning=learning, seed=variant.seed)
    learn = _placed(learn, "training", variant.name)
    # what a tuned model knows is not asked: it is a fact about the bases
    evaluation = settings.evaluation.model_copy(update={"self_knowledge": False})
    tuned = settings.labelled(str(learning.model_in(Path(learn.out))), variant.name)
    evaluate = EvaluateStep(model=tuned, out="", evaluation=evaluation)
    evaluate = _placed(evaluate, "evaluation", variant.name)
    names = [
        f"{verb}-{Path(step.out).name}"
        for verb, step in zip(VERBS, (sample, correct, learn, evaluate), strict=True)
    ]
    jobs = [
        sample_job(names[0], sample, (mark,), settings.prompts),
        correct_job(names[1], correct, names[:1]),
        learn_job(names[2], learn, names[1:2], variant.corrections),
        evaluate_job(names[3], evaluate, needs=names[2:3]),
    ]
    plan.jobs.extend(job for job in jobs if job.name not in job_names)
    plan.scores[variant.name] = Path(evaluate.out)
    plan.trained[variant.name] = Path(learn.out)
    if Path(sample.out) not in plan.base_answers:
        plan.base_answers.append(Path(sample.out))


def _placed(step: Step, folder: str, name: str, mark: str = "") -> Step:
    """Return the step with a folder for its output, by its name and a hash of its settings."""
    out = f"{folder}/{name}-{key_of(step.decisive(), mark)[:8]}"
    return step.model_copy(update={"out": out})


def study(
    settings: StudySettings,
    out: Path,
    progress: Progress,
    *,
    workers: int = 0,
    notebook: Path | None = None,
    command: Sequence[str] = (),
) -> StudyResult:
    """Run the missing runs of `out`, and write study.json, study.md and report.html there.

    The test split (`settings.evaluation.split`) opens only with a `notebook`, which receives one
    dated line.

    Raises:
        UserError: the test split without a notebook, or what a run raises.
    """
    refuse_without_notebook(settings.evaluation.split, notebook)
    plan, seeds = study_plan(settings), {f"seed {seed}": seed for seed in settings.seeds}
    may_change = StudySettings.model_fields.keys() - {"command"}  # runs have names of their own
    with open_run(
        out,
        settings,
        inputs=fingerprints(settings.bases),
        seeds=seeds,
        command=command,
        may_change=may_change,
    ):
        steps = run_jobs(out, plan.jobs, progress, workers=workers, title="study")
        from groundtune.pipeline.world.study.report import report_study

        result = report_study(settings, out, plan, steps)
    if notebook is not None and settings.evaluation.split == "test":
        note_opening(notebook, result.verdict, command)
    return result


def rewrite_study(out: Path) -> Path:
    """Write the report of a finished study again from its folder.

    Raises:
        UserError: the study is not done.
    """
    settings, steps = read_finished(out, StudySettings, lambda study: study_plan(study).jobs)
    plan = study_plan(settings)
    from groundtune.pipeline.world.study.report import report_study

    return report_study(settings, out, plan, steps).report
