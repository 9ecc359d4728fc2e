"""Rounds of AI feedback: `groundtune align`. RLAIF-V (Yu et al. 2024, arXiv 2405.17220), whole.

A round's model draws candidates, their claims are checked, pairs are made of them, a model learns
from these against the round's model as its reference, and a checkpoint is chosen on prompts that
are neither learnt from nor reported on. The next round begins with it.

    OUT/run.json align.json report.html
    OUT/choosing/                        to choose by; of one's own also reporting/, learning/
    OUT/round-1/answers/ claims/ pairs/  what the round learnt from; feedback.json counts it
    OUT/round-1/training/                its log
    OUT/round-1/choice.json model/       the checkpoint that was chosen, a plain Hugging Face folder
    OUT/evaluation/base/ round-1/        what is reported
    OUT/steps/                           which steps are done

The same command goes on where it was stopped, and with more rounds after the last.
"""

from collections.abc import Sequence
from pathlib import Path

from groundtune.bench.opening import note_opening, refuse_without_notebook
from groundtune.pipeline.align.measures import measure_of
from groundtune.pipeline.align.prompts import Held, hold_out
from groundtune.pipeline.align.settings import AlignResult, AlignSettings, round_name
from groundtune.pipeline.align.steps import (
    BY_CLAIMS,
    Chosen,
    Labelled,
    Sampled,
    TrainedRound,
    choose_checkpoint,
    label_round,
    sample_round,
    train_round,
)
from groundtune.pipeline.jobs import Job, run_jobs
from groundtune.pipeline.measure import BASE, ToMeasure
from groundtune.pipeline.models import fingerprint
from groundtune.pipeline.prompt_sources import named_in, truth_scorer
from groundtune.pipeline.runs import open_run, read_finished
from groundtune.protocols import Progress
from groundtune.store.keys import key_of


def align(
    settings: AlignSettings,
    out: Path,
    progress: Progress,
    *,
    workers: int = 1,
    notebook: Path | None = None,
    command: Sequence[str] = (),
) -> AlignResult:
    """Does the rounds that `out` lacks, and writes align.json and report.html there.

    The test split (`evaluation.split`) opens only with a `notebook`, which receives one dated line.

    Raises:
        UserError: the test split without a notebook, `choose.by=truth` where no truth is known,
            `out` holds a run with other settings, or what a step raises.
    """
    refuse_without_notebook(settings.evaluation.split, notebook)
    if settings.choose.by == "truth":
        prompts = settings.prompts or settings.images
        truth_scorer(named_in(prompts), f"choose.by=truth, prompts={prompts}", BY_CLAIMS)
    jobs, seeds = align_jobs(settings), {"align": settings.seed}
    with open_run(out, settings, models={"model": settings.model}, seeds=seeds, command=command):
        steps = run_jobs(out, jobs, progress, workers=workers, title="align")
        from groundtune.pipeline.align.report import report_align

        result = report_align(settings, out, steps)
    if notebook is not None and settings.evaluation.split == "test":
        note_opening(notebook, result.verdict, command)
    return result


def rewrite_align(out: Path) -> Path:
    """The report of rounds that are done, made again of what their folder holds.

    Raises:
        UserError: they are not done.
    """
    settings, steps = read_finished(out, AlignSettings, align_jobs)
    from groundtune.pipeline.align.report import report_align

    return report_align(settings, out, steps).report


def align_jobs(settings: AlignSettings) -> list[Job]:
    """The steps of all rounds; those of a round don't depend on how many there are."""
    marks = [fingerprint(name) for name in (settings.model, *settings.others)]
    marks.append(_file_mark(settings.prompts))
    measure = measure_of(settings)
    held = Held(
        prompts=settings.prompts,
        images=settings.images,
        ask=settings.ask,
        choosing=settings.choose.prompts,
        reported=settings.reported,
        seed=settings.seed,
    )
    jobs = [
        Job(
            name="hold-out",
            title="read the prompts",
            work=hold_out,
            settings=held,
            inputs=tuple(marks),
            cost=2,
            tasks={"read": 0.5, "draw": 0.5},
        ),
        measure.job(
            ToMeasure(BASE, settings.model, ("hold-out",), tuple(marks)), settings.evaluation
        ),
    ]
    model, before = settings.model, "hold-out"
    for number in range(1, settings.rounds + 1):
        jobs += _round(settings, number, model, before)
        model, before = f"{round_name(number)}/model", f"choose-{number}"
        wanted = ToMeasure(round_name(number), model, (before,))
        jobs.append(measure.job(wanted, settings.evaluation))
    return jobs


def _round(settings: AlignSettings, number: int, model: str, before: str) -> list[Job]:
    """The steps of a round that begins with `model`, after the step `before`."""
    out = round_name(number)
    sampled = Sampled(
        model=model,
        name=BASE if number == 1 else round_name(number - 1),
        out=out,
        prompts=settings.prompts,
        a_round=settings.prompts_a_round,
        round=number,
        n=settings.n,
        others=settings.others,
        sampling=settings.sampling,
        batch_size=settings.batch_size,
        seed=settings.seed,
    )
    labelled = Labelled(
        model=model,
        out=out,
        feedback=settings.feedback,
        rules=settings.pairs.model_copy(update={"seed": settings.pairs.seed + settings.seed}),
    )
    trained = TrainedRound(
        model=model, out=out, learn=settings.learn, seed=settings.seed * 100 + number
    )
    chosen = Chosen(
        model=model,
        out=out,
        choose=settings.choose,
        feedback=settings.feedback,
        max_new_tokens=settings.sampling.max_new_tokens,
        batch_size=settings.batch_size,
    )
    steps = (
        ("sample", "draw candidates", sample_round, sampled, 10, {"draw": 0.1, "sample": 0.9}),
        ("label", "check claims", label_round, labelled, 10, {"divide": 0.2, "check": 0.8}),
        ("train", "train", train_round, trained, 10, {"reference": 0.2, "train": 0.8}),
        ("choose", "choose a checkpoint", choose_checkpoint, chosen, 4, {"sample": 0.2}),
    )
    jobs: list[Job] = []
    for name, title, work, own, cost, tasks in steps:
        job = Job(
            name=f"{name}-{number}",
            title=f"round {number}: {title}",
            work=work,
            settings=own,
            needs=(before,),
            cost=cost,
            tasks=tasks,
        )
        jobs.append(job)
        before = job.name
    return jobs


def _file_mark(path: str) -> str:
    """Hash of a file of prompts; the name alone of a folder."""
    file = Path(path)
    return key_of(file.read_bytes()) if file.is_file() else path
