"""`groundtune bench export`."""

from pathlib import Path
from typing import Literal


def export(
    layout: Literal["lmms-eval", "inspect"], run: Path, *, out: Path, json: bool = False
) -> None:
    """Write scores as another evaluator's logs.

    One file a model and benchmark, with answers, what was read in them and the verdict.

    Args:
        layout: lmms-eval for sample files, inspect for .json logs that `inspect view` opens.
        run: Folder with scores.
        out: Folder for the files.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.pipeline.bench.export import export_scores

    written = export_scores(run, out, layout)
    finish(
        {"files": [str(path) for path in written] if json else len(written)},
        wrote=out,
        next_command=f"inspect view --log-dir {out}" if layout == "inspect" else "",
        json=json,
    )
