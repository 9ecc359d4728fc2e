"""`groundtune compare`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from groundtune.pipeline.compare.run import Comparisons
    from groundtune.report.bench_parts import BenchParts

MOST_WARNINGS = 12


def compare(
    *runs: Path,
    out: Path | None = None,
    all: bool = False,
    fail_on: Literal["nothing", "regression"] = "nothing",
    margin: float | None = None,
    json: bool = False,
) -> int:
    """Compare models item by item.

    Every model is compared with the first one on the same items, with 95% intervals. The headline
    of each benchmark is tested, what clearly got worse is listed first.

    Args:
        runs: Folders with scores: of groundtune bench run, bench score, demo or study.
        out: Folder for a report, and for all differences, tests and changed items.
        all: Show every difference, also those whose interval includes zero.
        fail_on: regression ends with exit status 1 if a headline got worse, or what is tested in
            its place where it has no value.
        margin: Also a headline that is worse by more than this is a regression, whatever its
            interval; in the metric's own unit, so that 0.01 of a share is one point.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.errors import UserError
    from groundtune.pipeline.compare.run import compare as compare_runs
    from groundtune.pipeline.compare.run import write_comparison

    if not runs:
        raise UserError("No run is given.", "groundtune compare", "Give folders with scores.")
    if margin is not None and margin < 0:
        raise UserError("A margin isn't negative.", f"--margin {margin:g}", "Give 0 or more.")
    made = compare_runs(runs)
    page = write_comparison(made, out, runs) if out else None
    lost = [*made.regressions(margin), *made.lost]
    again = " ".join(shlex.quote(str(run)) for run in runs)
    next_command = "" if out else f"groundtune compare {again} --out comparison"
    if json:
        told = made.short().model_dump(mode="json")
        told["regressions"] = [{"model": t.model, "benchmark": t.benchmark} for t in lost]
        finish(told, wrote=page, next_command=next_command, json=True)
    else:
        _print(made, all)
        finish(
            {
                "worse": len(made.worse),
                "better": len(made.better),
                "unclear": made.unclear,
                "regressions": ", ".join(f"{t.model} on {t.benchmark}" for t in lost) or "none",
            },
            wrote=page,
            next_command=next_command,
        )
    return int(bool(lost) and fail_on == "regression")


def _print(made: "Comparisons", all: bool) -> None:
    from groundtune.cli.table import print_table
    from groundtune.pipeline.compare.run import difference_rows

    print(f"{made.models[0]} against {', '.join(made.models[1:])}\n")
    _print_tests(made.bench)
    for each in made.alone:
        print(f"not compared: {each}")
    if made.alone:
        print()
    head = ["", "model", "change", "95% interval", "relative"]
    groups = {"worse": made.worse, "better": made.better, "otherwise changed": made.changed}
    for name, some in ({"all": made.summary.differences} if all else groups).items():
        if some:
            print_table([[f"{name} ({len(some)})", *head[1:]], *difference_rows(some)])
            print()
    print("By chance alone, about one interval in twenty excludes zero.\n")
    warned = made.bench.warnings
    for each in warned[:MOST_WARNINGS]:
        print(f"warning: {each.model}, {each.benchmark}: {each.text}")
    if len(warned) > MOST_WARNINGS:
        print(f"and {len(warned) - MOST_WARNINGS} more warnings: see --json or --out")
    if warned:
        print()


def _print_tests(bench: "BenchParts") -> None:
    from groundtune.cli.table import print_table
    from groundtune.pipeline.compare.parts import stand_ins
    from groundtune.pipeline.compare.run import rows_of_tests

    if not bench.tests:
        return
    head = ["headlines", "model", "change", "95% interval", "p", "p, Holm", "would show", "items"]
    print_table([head, *rows_of_tests(bench.tests)])
    print(
        "\nwould show: the smallest change that would be found four times in five. "
        "items: better, worse, the same."
    )
    for benchmark, text in stand_ins(bench):
        print(f"* {benchmark}: {text}")
    print()
