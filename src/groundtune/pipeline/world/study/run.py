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

from groundtune.bench.opening import note_opening, refuse_without_notebook
from groundtune.pipeline.jobs import run_jobs
from groundtune.pipeline.models import fingerprint
from groundtune.pipeline.runs import open_run, read_finished
from groundtune.pipeline.world.steps import (
    Asked,
    Corrected,
    Evaluated,
    Trained,
    ask_job,
    correct_job,
    evaluate_job,
    learn_job,
)
from groundtune.pipeline.world.study.settings import (
    TWIN,
    Plan,
    StudyResult,
    StudySettings,
    Variant,
    variants,
)
from groundtune.protocols import Progress
from groundtune.store.keys import key_of


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
    refuse_without_notebook(settings.evaluation.split, notebook)
    plan, seeds = study_plan(settings), {f"seed {seed}": seed for seed in settings.seeds}
    may_change = StudySettings.model_fields.keys() - {"command"}  # runs have names of their own
    with open_run(
        out, settings, models=settings.bases, seeds=seeds, command=command, may_change=may_change
    ):
        steps = run_jobs(out, plan.jobs, progress, workers=workers, title="study")
        from groundtune.pipeline.world.study.report import report_study

        result = report_study(settings, out, plan, steps)
    if notebook is not None and settings.evaluation.split == "test":
        note_opening(notebook, result.verdict, command)
    return result


def rewrite_study(out: Path) -> Path:
    """The report of a study that is done, made again of what its folder holds.

    Raises:
        UserError: the study is not done.
    """
    settings, steps = read_finished(out, StudySettings, lambda study: study_plan(study).jobs)
    plan = study_plan(settings)
    from groundtune.pipeline.world.study.report import report_study

    return report_study(settings, out, plan, steps).report
