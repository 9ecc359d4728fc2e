"""`groundtune bench export`."""

from pathlib import Path
from typing import Literal


def export(
    layout: Literal["lmms-eval", "inspect"], run: Path, /, *, out: Path, json: bool = False
) -> None:
    """Write scores as logs of another evaluator.

    One file per model and benchmark, with the answers, what was read from them and the verdicts.

    For example:

        groundtune bench export inspect runs/before --out logs

    Args:
        layout: lmms-eval for sample files, or inspect for .json logs that `inspect view` opens.
        run: Folder with scores.
        out: Folder for the files.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.pipeline.bench.export import export_scores

    files = export_scores(run, out, layout)
    finish(
        {"files": [str(path) for path in files] if json else len(files)},
        path=out,
        next_command=["inspect", "view", "--log-dir", out] if layout == "inspect" else [],
        json=json,
    )
