"""Work leaves a project only if people agree enough, and do well enough on known results."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from groundtune.errors import UserError
from groundtune.pipeline.annotate.project import Project
from groundtune.pipeline.annotate.quality.estimates import QualityFigure
from groundtune.pipeline.annotate.quality.live import LiveQuality
from groundtune.pipeline.annotate.quality.summary import TaskQuality
from groundtune.pipeline.annotate.results import (
    ProjectPairCounts,
    ProjectPairSettings,
    project_pairs,
)
from groundtune.protocols import Progress
from groundtune.records import Record
from groundtune.store.annotations.records import Task

AGREEMENT = {"places": "what is marked", "better": "the better answer", "thumb": "good and bad"}
"""The alphas that `min_agreement` is about, and what they are on."""
PAIRED: tuple[Task, ...] = ("correct", "review", "compare")
"""Tasks that pairs are made of."""


class QualityLimits(Record):
    """What the work must reach; 0 asks for nothing."""

    min_agreement: float = Field(default=0, ge=0, le=1)
    min_gold: float = Field(default=0, ge=0, le=1)


def refuse_poor_work(project: Project, tasks: Sequence[Task], gate: QualityLimits) -> None:
    """Raise UserError where work on one of the tasks is below what a gate or the project asks for.

    Agreement is Krippendorff's alpha of two people: on the marked characters, on the better answer,
    or on thumbs. Unknown agreement is refused too.
    """
    settings = project.settings
    agreement = max(gate.min_agreement, settings.min_agreement)
    gold = max(gate.min_gold, settings.min_gold)
    if not agreement and not gold:
        return
    for task in LiveQuality(project).now().tasks:
        if task.task not in tasks or not task.begun:
            continue
        if agreement:
            _refuse_below(project, task, "min_agreement", _agreement(task), agreement)
        if gold:
            _refuse_below(project, task, "min_gold", _named(task.known, "gold_right"), gold)


def gated_pairs(
    project: Project,
    out: Path,
    settings: ProjectPairSettings,
    progress: Progress,
    *,
    command: Sequence[str] = (),
) -> ProjectPairCounts:
    """Make pairs as `project_pairs`, unless the work is below what the settings ask for.

    Raises:
        UserError: it is, or nothing in the project is finished.
    """
    tasks: tuple[Task, ...] = ("thumb",) if settings.thumbs else PAIRED
    gate = QualityLimits(min_agreement=settings.min_agreement, min_gold=settings.min_gold)
    refuse_poor_work(project, tasks, gate)
    return project_pairs(project, out, settings, progress, command=command)


def _agreement(task: TaskQuality) -> QualityFigure | None:
    return next((each for each in task.agreement if each.name in AGREEMENT), None)


def _named(figures: Sequence[QualityFigure], name: str) -> QualityFigure | None:
    return next((each for each in figures if each.name == name), None)


def _refuse_below(
    project: Project, task: TaskQuality, setting: str, figure: QualityFigure | None, least: float
) -> None:
    look = f"Look at groundtune project quality {project.where}"
    where = f"task {task.task} of {project.where}, {setting} {least:g}"
    if figure is None:
        unknown, more = _UNKNOWN[setting]
        raise UserError(unknown, where, f"{more}, or lower {setting}.")
    if figure.value >= least:
        return
    between = "" if figure.low is None else f"95% CI {figure.low:.2f} to {figure.high:.2f}, "
    value = f"{figure.value:.2f} ({between}{figure.n} items), below {least:g}"
    if setting == "min_gold":
        what = f"The share of known results that people get right is {value}."
    else:
        what = f"Two people's agreement (alpha) on {AGREEMENT[figure.name]} is {value}."
    raise UserError(what, where, f"{look}, make the guidelines clearer, or lower {setting}.")


_UNKNOWN = {
    "min_agreement": (
        "How far people agree is unknown: no answer was judged by two of them.",
        "Ask two people with overlap=0.2 before you add answers",
    ),
    "min_gold": (
        "How well people do is unknown: nobody had an answer whose result is known.",
        "Add such answers with groundtune annotate --gold RUN",
    ),
}
