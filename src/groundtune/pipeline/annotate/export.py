"""A project's finished work as one file in a foreign layout."""

from pathlib import Path
from tempfile import TemporaryDirectory

from groundtune.errors import UserError
from groundtune.interchange.layouts.marks import write_marks
from groundtune.interchange.registry import (
    ExportLayoutName,
    MarksLayoutName,
    is_feedback,
    is_marks,
)
from groundtune.pipeline.annotate.gate import PAIRED, QualityLimits, refuse_poor_work
from groundtune.pipeline.annotate.project import Project
from groundtune.pipeline.annotate.rates import one_each
from groundtune.pipeline.annotate.results import (
    ProjectPairSettings,
    finished_work,
    project_pairs,
)
from groundtune.pipeline.exchange.run import (
    ExportSummary,
    export_feedback,
    export_layout,
    non_commercial,
)
from groundtune.protocols import Progress
from groundtune.store.lock import one_writer

ANY = QualityLimits()
"""Asks for nothing beyond what the project asks for."""


@one_writer(is_file=True)
def export_project(
    layout: ExportLayoutName,
    project: Project,
    out: Path,
    progress: Progress,
    gate: QualityLimits = ANY,
) -> ExportSummary:
    """Write the pairs, the feedback or the evaluations of a project.

    Raises:
        UserError: nothing of the kind is finished, the work is below what the gate or the project
            asks for, and as the layout's `write` does.
    """
    refuse_poor_work(project, ("evaluate",) if is_marks(layout) else PAIRED, gate)
    if is_marks(layout):
        return _marks(layout, project, out)
    with TemporaryDirectory(prefix="groundtune-") as folder:
        run = Path(folder)
        counts = project_pairs(project, run, ProjectPairSettings(), progress)
        if is_feedback(layout):
            return export_feedback(layout, run, out, progress)
        if not counts.made:
            raise UserError(
                "The finished work gives no pair: nothing was changed or chosen.",
                project.where,
                f"Correct more answers: groundtune annotate {project.where}.",
            )
        return export_layout(layout, run, out, progress)


def _marks(layout: MarksLayoutName, project: Project, out: Path) -> ExportSummary:
    work = finished_work(project)
    judged = one_each(work)
    if not judged:
        raise UserError(
            "No answer in the project is evaluated.",
            project.where,
            f"Evaluate some: groundtune annotate {project.where} --answers RUN --task evaluate.",
        )
    answers = {each.key: each for item in work.items.values() for each in item.answers}
    prompts = {item.prompt.key: item.prompt for item in work.items.values()}
    rows = write_marks(layout, out, prompts, answers, judged)
    refusing = non_commercial(prompts[each.prompt] for each in judged)
    return ExportSummary(rows=rows, non_commercial=refusing)
