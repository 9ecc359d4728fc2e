"""`groundtune rounds`."""

import shlex
from pathlib import Path


def rounds(*runs: str, out: Path | None = None, json: bool = False) -> None:
    """Set runs of align side by side.

    Runs of one recipe that differ by their seeds are pooled, with a row a round for the first
    run's recipe. Every other recipe has a row for its last round, named by what differs.

    Args:
        runs: Folders of groundtune align, or LABEL=FOLDER to name a recipe's row.
        out: Folder for a report and rounds.json, which has every metric with its interval.
        json: One JSON object instead of a table.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.table import print_table
    from groundtune.pipeline.align.side_by_side import beside, write_beside

    named = [_label_and_folder(run) for run in runs]
    made = beside(
        [folder for _, folder in named], {folder: label for label, folder in named if label}
    )
    page = write_beside(made, out) if out else None
    again = " ".join(shlex.quote(str(run)) for run in runs)
    next_command = "" if out else f"groundtune rounds {again} --out runs/rounds"
    if json:
        told = {"verdict": made.verdict, **made.found.model_dump(mode="json")}
        finish(told, wrote=page, next_command=next_command, json=True)
        return
    print_table(made.table)
    print()
    finish({"verdict": made.verdict}, wrote=page, next_command=next_command)


def _label_and_folder(run: str) -> tuple[str, Path]:
    label, mark, folder = run.partition("=")
    return (label, Path(folder)) if mark and not Path(run).exists() else ("", Path(run))
