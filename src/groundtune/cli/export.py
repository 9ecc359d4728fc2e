"""`groundtune export`."""

from pathlib import Path

from groundtune.cli.import_ import with_layouts
from groundtune.interchange.registry import AnyLayoutName, is_feedback


def export(layout: AnyLayoutName, run: Path, /, *, out: Path, json: bool = False) -> None:
    """Export pairs or people's feedback in a published data set's layout.

    A Parquet file contains the images; with a JSON file they are written next to it.

    For example:

        groundtune export rlhf-v runs/candidates --out pairs.parquet
        groundtune export trl runs/candidates --out trl.parquet

    Args:
        layout: Layout of the file, from the list above.
        run: Folder with the pairs or the feedback.
        out: File to write; its ending chooses the format: .parquet, .jsonl or .json.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.exchange.run import export_feedback, export_layout

    with open_progress(silent=json) as progress:
        if is_feedback(layout):
            summary = export_feedback(layout, run, out, progress)
        else:
            summary = export_layout(layout, run, out, progress)
    results: dict[str, object] = {"rows": summary.rows}
    if summary.non_commercial:
        results["no commercial use"] = ", ".join(summary.non_commercial)
    finish(results, wrote=out, json=json)


export.__doc__ = with_layouts(export.__doc__ or "")
