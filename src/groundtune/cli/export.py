"""`groundtune export`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from groundtune.cli.import_ import with_layouts
from groundtune.interchange.registry import MARKS_TITLES, ExportLayoutName, is_feedback, is_marks

if TYPE_CHECKING:
    from groundtune.pipeline.exchange.run import ExportSummary
    from groundtune.protocols import Progress


def export(
    layout: ExportLayoutName,
    run: str,
    /,
    *,
    out: Path,
    min_agreement: Annotated[float, Parameter(validator=Number(gte=0, lte=1))] = 0,
    min_gold: Annotated[float, Parameter(validator=Number(gte=0, lte=1))] = 0,
    json: bool = False,
) -> None:
    """Export pairs or people's feedback in a published data set's layout.

    From a run, or from an annotation project: its pairs are made on the way. A Parquet file
    contains the images; with a JSON file or a table they are written next to it.

    A Parquet file also names the licences of its pairs. For other files of pairs
    FILE.licences.json has them, and `groundtune import` reads it: keep it next to FILE, and rename
    both together. Its list is empty if your data names no licence.

    For example:

        groundtune export rlhf-v runs/candidates --out pairs.parquet
        groundtune export trl runs/candidates --out trl.parquet
        groundtune export mhumaneval farm --out marks.jsonl

    Args:
        layout: Layout of the file, from the list above.
        run: Folder with the pairs or the feedback; folder or PostgreSQL URL of a project.
        out: File to write; its ending chooses the format: .parquet, .jsonl, .json or .csv.
        min_agreement: Refuse a project on whose answers two people agree less than this
            (Krippendorff's alpha on what is marked, or which answer is better).
        min_gold: Refuse a project whose people get a smaller share of known results right.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.runs.folder import is_project

    is_of_project = run.startswith("postgres") or is_project(Path(run))
    least = {"min_agreement": min_agreement, "min_gold": min_gold}
    with open_progress(silent=json) as progress:
        if is_of_project:
            summary = _of_project(layout, run, out, progress, least)
        else:
            summary = _of_run(layout, run, out, progress)
    results: dict[str, object] = {"rows": summary.rows}
    if summary.non_commercial:
        results["no commercial use"] = ", ".join(summary.non_commercial)
    finish(results, path=out, json=json)


def _of_run(layout: ExportLayoutName, run: str, out: Path, progress: "Progress") -> "ExportSummary":
    from groundtune.pipeline.exchange.run import export_feedback, export_layout, export_marks

    if is_marks(layout):
        return export_marks(layout, Path(run), out)
    if is_feedback(layout):
        return export_feedback(layout, Path(run), out, progress)
    return export_layout(layout, Path(run), out, progress)


def _of_project(
    layout: ExportLayoutName, run: str, out: Path, progress: "Progress", least: Mapping[str, float]
) -> "ExportSummary":
    from groundtune.cli.annotate_extra import require_annotate_extra

    require_annotate_extra("groundtune export of a project")
    from groundtune.pipeline.annotate.export import export_project
    from groundtune.pipeline.annotate.gate import QualityLimits
    from groundtune.pipeline.annotate.project import existing_project

    project = existing_project(run)
    try:
        return export_project(layout, project, out, progress, QualityLimits.model_validate(least))
    finally:
        project.close()


export.__doc__ = with_layouts(export.__doc__ or "", {**MARKS_TITLES})
