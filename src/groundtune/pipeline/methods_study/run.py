"""Many trainings next to each other: `groundtune methods-study`.

    OUT/run.json study.json study.md report.html
    OUT/data/       answers and feedback that arms learn from, per seed
    OUT/runs/       one folder a training, named by its arm, setting and seed, and a hash
    OUT/evaluation/ scores of each model on the development split; names with -test: the test split

Each arm's settings are tried on the first seed, one is chosen on the development split, and the
chosen ones are trained on all seeds. What failed is noted with its reason, and tried again when the
command is run again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from groundtune.bench.run.opening import note_opening
from groundtune.errors import UserError
from groundtune.pipeline.methods_study.choosing import ArmSearch, choose
from groundtune.pipeline.methods_study.settings import (
    ArmRun,
    ArmsSettings,
    MethodsStudySettings,
    StudyOutcome,
)
from groundtune.pipeline.methods_study.study import Scores, Study
from groundtune.pipeline.methods_study.training import data_jobs, train_job
from groundtune.pipeline.models.measure import BASE
from groundtune.pipeline.models.names import fingerprints
from groundtune.pipeline.models.prompt_sources import load
from groundtune.pipeline.runs.resume import open_run
from groundtune.protocols import Progress
from groundtune.records import Record
from groundtune.store.sealed import read_sealed, write_sealed


class FinalRuns(Record):
    """The runs that the test split was opened for, and from which image on: final.json."""

    runs: tuple[str, ...]
    start: int = 0


def methods_study(
    settings: MethodsStudySettings,
    out: Path,
    progress: Progress,
    *,
    workers: int = 0,
    final: bool = False,
    notebook: Path | None = None,
    command: Sequence[str] = (),
) -> StudyOutcome:
    """Do the runs that `out` lacks, and write study.json, study.md and report.html there.

    With `final`, the chosen models are also measured on the test split, which the `notebook`
    records with one dated line.

    Raises:
        UserError: a recipe or setting is wrong, the source has no benchmarks, the base can't be
            measured, or `out` holds a study with other settings.
    """
    source = load(settings.source)
    if source.measure is None:
        raise UserError(
            f"The prompt source {source.name} has no benchmarks to measure models by.",
            f"source={settings.source}",
            "Use source=world.",
        )
    study = Study(settings, out, source.measure(), settings.evaluation, progress, workers)
    return run_study(study, {BASE: settings.model}, final, notebook, command)


def run_study(
    study: Study,
    others: Mapping[str, str],
    final: bool,
    notebook: Path | None,
    command: Sequence[str],
) -> StudyOutcome:
    """Do a study's runs; `others` are models that are only measured, by name.

    Raises:
        UserError: as `methods_study` does.
    """
    settings = study.settings
    for run in searched(settings):
        train_job(settings, run, data_jobs(settings, run.seed))  # refuses wrong settings
    with open_run(
        study.out,
        settings,
        inputs=fingerprints({"model": settings.model}),
        seeds={f"seed {seed}": seed for seed in settings.seeds},
        command=command,
        may_change=type(settings).model_fields.keys() - {"command"},
    ):
        scores = study.score(others, "development")
        missing = [name for name in others if name not in scores]
        if missing:
            raise UserError(study.failed[missing[0]], f"evaluation of {missing[0]}", "See the log.")
        choices = _search(study, scores)
        runs = chosen_runs(settings, choices)
        models = study.train(runs)
        scores |= study.score(models, "development")
        tested: Scores = {}
        if final:
            _refuse_another_opening(study, runs)
            tested = study.score(others, "test") | study.score(models, "test")
        from groundtune.pipeline.methods_study.report import report_study

        result = report_study(study, choices, runs, scores, tested, list(others))
    if final and notebook is not None:
        note_opening(notebook, result.verdict, command)
    return result


def _refuse_another_opening(study: Study, runs: Sequence[ArmRun]) -> None:
    """Note that the test split is opened for these runs.

    Raises:
        UserError: it was opened for others, or from another image on.
    """
    file = study.out / "final.json"
    names = tuple(run.name for run in runs)
    opening = FinalRuns(runs=names, start=study.evaluation.test_start)
    if file.exists() and read_sealed(file, FinalRuns) != opening:
        raise UserError(
            "The test split was opened for other arms, settings or images of this study.",
            str(file),
            "Leave out --final: what is changed after an opening is judged on development scenes.",
        )
    write_sealed(file, opening)


def searched(settings: ArmsSettings) -> list[ArmRun]:
    """Return the runs of all searches, on the first seed."""
    return [
        ArmRun(arm, number, settings.seeds[0])
        for arm in settings.arms
        if not settings.arms[arm].like
        for number in range(len(settings.tried(arm)))
    ]


def _search(study: Study, scores: Scores) -> dict[str, ArmSearch]:
    """Try all settings of all arms; return each arm's choice."""
    runs = searched(study.settings)
    scores |= study.score(study.train(runs), "development")
    return {
        arm: choose(
            [run for run in runs if run.arm == (study.settings.arms[arm].like or arm)],
            scores,
            study.failed,
            study.measure,
            study.settings.choose,
        )
        for arm in study.settings.arms
    }


def chosen_runs(settings: ArmsSettings, choices: Mapping[str, ArmSearch]) -> list[ArmRun]:
    """Return the chosen settings' runs on all seeds; an arm whose every setting failed has none."""
    return [
        ArmRun(arm, choice.number, seed)
        for arm, choice in choices.items()
        if choice.number is not None
        for seed in settings.seeds
    ]
