"""Reward models next to each other on the same comparisons: `groundtune reward study`.

OUT/run.json study.json study.md report.html data/ runs/ evaluation/   as of methods-study
OUT/held-out/   comparisons that no arm learns from, of each split
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from groundtune.errors import UserError
from groundtune.pipeline.methods_study.reward_measure import RewardMeasure, held_out_job
from groundtune.pipeline.methods_study.reward_settings import RewardStudySettings
from groundtune.pipeline.methods_study.run import run_study
from groundtune.pipeline.methods_study.settings import StudyOutcome, Values
from groundtune.pipeline.methods_study.study import Study
from groundtune.pipeline.models.measure import Evaluation
from groundtune.pipeline.reward.settings import Show
from groundtune.protocols import Progress


def reward_study(
    settings: RewardStudySettings,
    out: Path,
    progress: Progress,
    *,
    workers: int = 0,
    final: bool = False,
    notebook: Path | None = None,
    command: Sequence[str] = (),
) -> StudyOutcome:
    """Do the runs that `out` lacks, and write study.json, study.md and report.html there.

    With `final`, the chosen models are also measured on comparisons about scenes of the test split,
    which the `notebook` records with one dated line.

    Raises:
        UserError: a recipe or setting is wrong, answers about the scenes can't be compared, or
            `out` holds a study with other settings.
    """
    whole = settings.expanded()
    study = Study(
        settings=whole,
        out=out,
        measure=RewardMeasure(whole),
        evaluation=Evaluation(test_start=whole.held_out.test_start),
        progress=progress,
        workers=workers,
        measures=_measures(whole),
        rules=whole.rules,
        before=lambda split: [held_out_job(whole, split)],
    )
    return run_study(study, {rule: rule for rule in whole.rules}, final, notebook, command)


def _measures(settings: RewardStudySettings) -> Mapping[str, RewardMeasure]:
    """Return the measures of arms that read other facts than they learnt with."""
    return {
        name: RewardMeasure(settings, _facts(name, arm.measured))
        for name, arm in settings.arms.items()
        if arm.measured
    }


def _facts(arm: str, measured: Values) -> Show:
    """Return what an arm reads.

    Raises:
        UserError: `measured` says anything else, or other facts than there are.
    """
    for show in get_args(Show):
        if measured == {"facts": show}:
            return show
    raise UserError(
        f"measured is {measured}.",
        f"arms.{arm}",
        f"Write measured: {{facts: SHOW}} with one of {', '.join(get_args(Show))}.",
    )
