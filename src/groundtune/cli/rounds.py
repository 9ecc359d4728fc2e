"""`groundtune rounds`."""

from pathlib import Path


def rounds(
    *runs: str, out: Path | None = None, allow_evaluation_images: bool = False, json: bool = False
) -> None:
    """Compare align runs round by round.

    Runs of one recipe that differ only in their seed are pooled. The first run's recipe gets a row
    per round; every other recipe gets a row for its last round, named by the settings that differ.

    For example:

        groundtune rounds runs/align --out runs/rounds
        groundtune rounds runs/align-0 runs/align-1 "Stronger labeler=runs/align-labeler"

    Args:
        runs: Folders that `groundtune align` wrote, or LABEL=FOLDER to name a recipe's row.
        out: Folder for a report and for rounds.json with every metric and its interval.
        allow_evaluation_images: Compare although a run learnt from images that it reports on; the
            page names them.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.table import print_table
    from groundtune.pipeline.align.side_by_side import compare_runs, write_beside

    labels = [_label_and_folder(run) for run in runs]
    comparison = compare_runs(
        [folder for _, folder in labels],
        {folder: label for label, folder in labels if label},
        allow_evaluation_images=allow_evaluation_images,
    )
    page = write_beside(comparison, out) if out else None
    allow = ["--allow-evaluation-images"] if allow_evaluation_images else []
    again = ["groundtune", "rounds", *runs, *allow, "--out", "runs/rounds"]
    next_command = [] if out else again
    if json:
        output = {"verdict": comparison.verdict, **comparison.comparison.model_dump(mode="json")}
        finish(output, path=page, next_command=next_command, json=True)
        return
    print_table(comparison.table)
    print()
    finish({"verdict": comparison.verdict}, path=page, next_command=next_command)


def _label_and_folder(run: str) -> tuple[str, Path]:
    label, mark, folder = run.partition("=")
    return (label, Path(folder)) if mark and not Path(run).exists() else ("", Path(run))
