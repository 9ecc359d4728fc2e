"""`groundtune compare`."""

import shlex
from pathlib import Path


def compare(*runs: Path, out: Path | None = None, all: bool = False, json: bool = False) -> None:
    """Compare models item by item.

    Every model is compared with the first one on the same items, with 95% intervals. What clearly
    got worse is listed first.

    Args:
        runs: Folders with scores: of groundtune bench run, demo or study.
        out: Folder for a report, and for all differences as JSON.
        all: Show every difference, also those whose interval includes zero.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.table import print_table
    from groundtune.errors import UserError
    from groundtune.pipeline.compare import compare as compare_runs
    from groundtune.pipeline.compare import difference_rows, write_comparison

    if not runs:
        raise UserError("No run is given.", "groundtune compare", "Give folders with scores.")
    made = compare_runs(runs)
    page = write_comparison(made, out) if out else None
    if json:
        finish(made.model_dump(mode="json"), wrote=page, json=True)
        return
    head = ["", "model", "change", "95% interval", "relative"]
    print(f"{made.models[0]} against {', '.join(made.models[1:])}\n")
    groups = {"worse": made.worse, "better": made.better, "otherwise changed": made.changed}
    for name, some in ({"all": made.summary.differences} if all else groups).items():
        if some:
            print_table([[f"{name} ({len(some)})", *head[1:]], *difference_rows(some)])
            print()
    print("By chance alone, about one interval in twenty excludes zero.\n")
    again = " ".join(shlex.quote(str(run)) for run in runs)
    finish(
        {"worse": len(made.worse), "better": len(made.better), "unclear": made.unclear},
        wrote=page,
        next_command="" if out else f"groundtune compare {again} --out comparison",
    )
