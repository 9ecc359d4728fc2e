"""The whole loop on the embedded world: `groundtune demo`.

    OUT/run.json report.html summary.json   what it was made with, and what it shows
    OUT/prompts/ answers/ corrections/ pairs/ images/
    OUT/training/NAME/model/                a plain Hugging Face folder for each way of learning
    OUT/evaluation/NAME/                    scores of the base and of each model
    OUT/steps/                              which steps are done, and what they took

The same command resumes where it was stopped, and ends at once when all is done.
"""

from collections.abc import Sequence
from pathlib import Path

from groundtune.pipeline.feedback.corrections import LabelSettings
from groundtune.pipeline.models.measure import BASE
from groundtune.pipeline.models.names import fingerprint, fingerprints
from groundtune.pipeline.models.settings import LabelledModel
from groundtune.pipeline.runs.jobs import Job, run_jobs
from groundtune.pipeline.runs.resume import open_run, read_finished
from groundtune.pipeline.world.demo_settings import DemoResult, DemoSettings, read_result
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
from groundtune.protocols import Progress
from groundtune.world import NAME


def demo(
    settings: DemoSettings,
    out: Path,
    progress: Progress,
    *,
    workers: int = 0,
    command: Sequence[str] = (),
) -> DemoResult:
    """Run the loop in `out`, or resume it, and write report.html and summary.json there.

    `workers` is the number of processes, 0 for one per core.

    Raises:
        UserError: `out` holds a run with other settings, or what a step raises.
    """
    jobs, seeds = demo_jobs(settings), {"demo": settings.seed}
    inputs = fingerprints({"model": settings.model})
    with open_run(out, settings, inputs=inputs, seeds=seeds, command=command):
        steps = run_jobs(out, jobs, progress, workers=workers, title="demo")
        earlier = read_result(out, steps)
        if earlier is not None:
            return earlier
        from groundtune.pipeline.world.report import report_demo

        return report_demo(settings, out, steps)


def demo_jobs(settings: DemoSettings) -> list[Job]:
    """The steps of the loop."""
    model, seed = settings.model, settings.seed
    inputs, base = (fingerprint(model),), settings.labelled(model, BASE)
    sample = SampleStep(sample=settings.descriptions(model, seed), out=".")
    label = LabelSettings(annotator=NAME, error_rate=settings.error_rate, seed=seed)
    correct = CorrectStep(source=".", out=".", enough=settings.corrections, label=label)
    jobs = [
        sample_job("ask", sample, inputs, settings.prompts),
        evaluate_job("evaluate-base", _evaluated(settings, base), inputs),
        correct_job("correct", correct, needs=("ask",)),
    ]
    for name, learning in settings.learn.items():
        step = LearnStep(
            model=base, pairs=".", out=f"training/{name}", learning=learning, seed=seed
        )
        jobs.append(learn_job(f"train-{name}", step, ("correct",), settings.corrections))
    for name, learning in settings.learn.items():
        place = str(learning.model_in(Path("training") / name))
        evaluation = _evaluated(settings, settings.labelled(place, name))
        jobs.append(evaluate_job(f"evaluate-{name}", evaluation, needs=(f"train-{name}",)))
    return jobs


def _evaluated(settings: DemoSettings, model: LabelledModel) -> EvaluateStep:
    out = f"evaluation/{model.label}"
    return EvaluateStep(model=model, out=out, evaluation=settings.evaluation)


def rewrite_report(out: Path) -> Path:
    """Write the report of a finished demo again from its folder.

    Raises:
        UserError: the demo is not done.
    """
    settings, steps = read_finished(out, DemoSettings, demo_jobs)
    from groundtune.pipeline.world.report import report_demo

    return report_demo(settings, out, steps).report
