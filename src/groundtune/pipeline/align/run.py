"""Rounds of AI feedback: `groundtune align`. RLAIF-V (Yu et al. 2024, arXiv 2405.17220), whole.

A round's model draws candidates, their claims are checked, pairs are made of them, a model learns
from these against the round's model as its reference, and a checkpoint is chosen on prompts that
are used neither for learning nor for the report. The next round starts from it.

    OUT/run.json align.json report.html
    OUT/choosing/                        prompts to choose by; yours: also reporting/ learning/
    OUT/round-1/answers/ claims/ pairs/  what the round learnt from; feedback.json counts it
    OUT/round-1/training/                its log
    OUT/round-1/choice.json model/       the checkpoint that was chosen, a plain Hugging Face folder
    OUT/evaluation/base/ round-1/        scores for the report
    OUT/steps/                           records of finished steps

Run the same command again to resume, or with more rounds to continue after the last one.
"""

from collections.abc import Sequence
from pathlib import Path

from groundtune.bench.run.opening import note_opening, refuse_without_notebook
from groundtune.methods.trial import refuse_wrong_hooks
from groundtune.pipeline.align.choosing import BY_CLAIMS, choose_checkpoint
from groundtune.pipeline.align.measures import measure_of
from groundtune.pipeline.align.prompts import hold_out
from groundtune.pipeline.align.settings import AlignResult, AlignSettings, Round, round_name
from groundtune.pipeline.align.steps import (
    label_round,
    merge_base,
    sample_round,
    train_round,
)
from groundtune.pipeline.feedback.claim_settings import SELF, by_rules
from groundtune.pipeline.models.measure import BASE, Measure, ToMeasure
from groundtune.pipeline.models.names import fingerprint, fingerprints
from groundtune.pipeline.models.prompt_sources import named_in, requested, truth_scorer
from groundtune.pipeline.models.settings import LabelledModel
from groundtune.pipeline.runs.jobs import Job, run_jobs
from groundtune.pipeline.runs.resume import open_run, read_finished
from groundtune.pipeline.sample.prompts import hash_of_sources
from groundtune.protocols import Progress


def align(
    settings: AlignSettings,
    out: Path,
    progress: Progress,
    *,
    workers: int = 1,
    notebook: Path | None = None,
    command: Sequence[str] = (),
) -> AlignResult:
    """Run the rounds that `out` lacks, and write align.json and report.html there.

    The test split (`evaluation.split`) opens only with a `notebook`, which receives one dated line.

    Raises:
        UserError: the test split without a notebook, `choose.by=truth` where no truth is known,
            a hook of another package's method is wrong, `out` holds a run with other settings, or
            what a step raises.
    """
    refuse_without_notebook(settings.evaluation.split, notebook)
    refuse_wrong_hooks(settings.learn.method)
    if settings.choose.by == "truth":
        prompts = settings.prompts or settings.images
        truth_scorer(named_in(prompts), f"choose.by=truth, prompts={prompts}", BY_CLAIMS)
    jobs, seeds = align_jobs(settings), {"align": settings.seed}
    with open_run(
        out,
        settings,
        inputs=fingerprints(_models(settings)) | {"prompts and images": _prompts_mark(settings)},
        seeds=seeds,
        command=command,
    ):
        steps = run_jobs(out, jobs, progress, workers=workers, title="align")
        from groundtune.pipeline.align.report import report_align

        result = report_align(settings, out, steps)
    if notebook is not None and settings.evaluation.split == "test":
        note_opening(notebook, result.verdict, command)
    return result


def rewrite_align(out: Path) -> Path:
    """Rewrite the report of finished rounds from the files of their folder.

    Raises:
        UserError: the rounds are not finished.
    """
    settings, steps = read_finished(out, AlignSettings, align_jobs)
    from groundtune.pipeline.align.report import report_align

    return report_align(settings, out, steps).report


def align_jobs(settings: AlignSettings) -> list[Job]:
    """Return the steps of all rounds; a round's steps don't depend on the number of rounds."""
    names = (settings.model, settings.adapter, *settings.others)
    marks = (*map(fingerprint, filter(None, names)), _prompts_mark(settings))
    measure = measure_of(settings)
    jobs = [
        Job(
            name="hold-out",
            title="read the prompts",
            work=hold_out,
            settings=settings,
            inputs=marks,
            cost=2,
            tasks={"read": 0.5, "draw": 0.5},
        )
    ]
    if settings.first != settings.model:
        jobs.append(
            Job(
                name="merge",
                title="merge the model",
                work=merge_base,
                settings=settings,
                needs=("hold-out",),
            )
        )
    model, label, before = settings.first, BASE, jobs[-1].name
    for number in range(1, settings.rounds + 1):
        jobs.append(_measured(settings, measure, model, label, before))
        jobs += _round(Round(run=settings, number=number, model=model), before)
        label = round_name(number)
        model, before = f"{label}/model", f"choose-{number}"
    return [*jobs, _measured(settings, measure, model, label, before)]


def _measured(
    settings: AlignSettings, measure: Measure, model: str, label: str, before: str
) -> Job:
    """The step that measures a model, after the step that makes it."""
    target = settings.of(model).part(LabelledModel, label=label)
    return measure.job(ToMeasure(target, (before,)), settings.evaluation)


def _round(settings: Round, before: str) -> list[Job]:
    """The steps of a round, after the step `before`."""
    steps = (
        ("sample", "draw candidates", sample_round, 10, {"draw": 0.1, "sample": 0.9}),
        ("label", "check claims", label_round, 10, {"divide": 0.2, "check": 0.8}),
        ("train", "train", train_round, 10, {"reference": 0.2, "train": 0.8}),
        ("choose", "choose a checkpoint", choose_checkpoint, 4, {"sample": 0.2}),
    )
    jobs: list[Job] = []
    for name, title, work, cost, tasks in steps:
        job = Job(
            name=f"{name}-{settings.number}",
            title=f"round {settings.number}: {title}",
            work=work,
            settings=settings,
            needs=(before,),
            cost=cost,
            tasks=tasks,
        )
        jobs.append(job)
        before = job.name
    return jobs


def _models(settings: AlignSettings) -> dict[str, str]:
    """Return all models that the rounds begin with or ask, by what they are."""
    feedback = settings.feedback
    names = {"model": settings.model, "adapter": settings.adapter}
    names |= {f"others {name}": name for name in settings.others}
    if feedback.labeler != SELF:
        names["labeler"] = feedback.labeler
    if feedback.divider != SELF and not by_rules(feedback.divider):
        names["divider"] = feedback.divider
    return {role: name for role, name in names.items() if name}


def _prompts_mark(settings: AlignSettings) -> str:
    """Return the hash of the prompts and images, or the name of a prompt source."""
    if requested(settings.prompts) is not None:
        return settings.prompts
    return hash_of_sources(settings.prompts, settings.images)
