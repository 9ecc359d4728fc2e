"""`groundtune export`."""

from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.cli.import_ import with_layouts
from groundtune.interchange.registry import MARKS_TITLES, ExportLayoutName, is_feedback, is_marks

if TYPE_CHECKING:
    from groundtune.pipeline.exchange.run import ExportSummary
    from groundtune.protocols import Progress


def export(layout: ExportLayoutName, run: str, /, *, out: Path, json: bool = False) -> None:
    """Export pairs or people's feedback in a published data set's layout.

    From a run, or from an annotation project: its pairs are made on the way. A Parquet file
    contains the images; with a JSON file they are written next to it.

    For example:

        groundtune export rlhf-v runs/candidates --out pairs.parquet
        groundtune export trl runs/candidates --out trl.parquet
        groundtune export mhumaneval farm --out marks.jsonl

    Args:
        layout: Layout of the file, from the list above.
        run: Folder with the pairs or the feedback; folder or PostgreSQL URL of a project.
        out: File to write; its ending chooses the format: .parquet, .jsonl or .json.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.folder import is_project

    is_of_project = run.startswith("postgres") or is_project(Path(run))
    write = _of_project if is_of_project else _of_run
    with open_progress(silent=json) as progress:
        summary = write(layout, run, out, progress)
    results: dict[str, object] = {"rows": summary.rows}
    if summary.non_commercial:
        results["no commercial use"] = ", ".join(summary.non_commercial)
    finish(results, wrote=out, json=json)


def _of_run(layout: ExportLayoutName, run: str, out: Path, progress: "Progress") -> "ExportSummary":
    from groundtune.pipeline.exchange.run import export_feedback, export_layout, export_marks

    if is_marks(layout):
        return export_marks(layout, Path(run), out)
    if is_feedback(layout):
        return export_feedback(layout, Path(run), out, progress)
    return export_layout(layout, Path(run), out, progress)


def _of_project(
    layout: ExportLayoutName, run: str, out: Path, progress: "Progress"
) -> "ExportSummary":
    from groundtune.cli.annotate_extra import require_annotate_extra

    require_annotate_extra("groundtune export of a project")
    from groundtune.pipeline.annotate.export import export_project
    from groundtune.pipeline.annotate.project import existing_project

    project = existing_project(run)
    try:
        return export_project(layout, project, out, progress)
    finally:
        project.close()


export.__doc__ = with_layouts(export.__doc__ or "", {**MARKS_TITLES})
