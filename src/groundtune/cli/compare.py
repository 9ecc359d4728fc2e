"""`groundtune compare`."""

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
    """Compare models on the same items, with 95% intervals and tests.

    Compares every model with the first one. Each benchmark's headline metric is tested, and what
    got clearly worse is listed first.

    For example:

        groundtune compare runs/before runs/after
        groundtune compare runs/before runs/after --out runs/comparison --fail-on regression

    Args:
        runs: Folders with scores, from `groundtune bench run`, bench score, demo or study.
        out: Folder for a report, and for all differences, tests and changed items.
        all: Show every difference, also those that may be chance.
        fail_on: With "regression", exit with status 1 if a headline metric got worse: its p,
            corrected for all headlines (Holm), is at most 0.05.
        margin: Also count a headline that is worse by more than this, whatever its interval. In
            the metric's unit: 0.01 of a share is one point.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.errors import UserError
    from groundtune.pipeline.compare.run import compare as compare_runs
    from groundtune.pipeline.compare.run import write_comparison

    if not runs:
        raise UserError(
            "There are no runs to compare.",
            "groundtune compare",
            "Give two folders with scores.",
        )
    if margin is not None and margin < 0:
        raise UserError("The margin is negative.", f"--margin {margin:g}", "Give 0 or more.")
    result = compare_runs(runs)
    page = write_comparison(result, out, runs) if out else None
    failures = [*result.regressions(margin), *result.lost]
    next_command = [] if out else ["groundtune", "compare", *runs, "--out", "runs/comparison"]
    if json:
        output = result.short().model_dump(mode="json")
        output["regressions"] = [{"model": t.model, "benchmark": t.benchmark} for t in failures]
        finish(output, path=page, next_command=next_command, json=True)
    else:
        _print(result, all)
        finish(
            {
                "worse": len(result.worse),
                "better": len(result.better),
                "unclear": result.unclear,
                "comparisons": len(result.summary.differences),
                "regressions": ", ".join(f"{t.model} on {t.benchmark}" for t in failures) or "none",
            },
            path=page,
            next_command=next_command,
        )
    return int(bool(failures) and fail_on == "regression")


def _print(result: "Comparisons", all: bool) -> None:
    from groundtune.cli.table import print_table
    from groundtune.pipeline.compare.run import difference_rows
    from groundtune.report.verdict import comparisons_text

    print(f"{result.models[0]} against {', '.join(result.models[1:])}\n")
    _print_tests(result.bench)
    for each in result.alone:
        print(f"not compared: {each}")
    if result.alone:
        print()
    head = ["", "model", "change", "95% interval", "relative"]
    groups = {"worse": result.worse, "better": result.better, "otherwise changed": result.changed}
    for name, differences in ({"all": result.summary.differences} if all else groups).items():
        if differences:
            print_table(
                [[f"{name} ({len(differences)})", *head[1:]], *difference_rows(differences)]
            )
            print()
    looked_at = comparisons_text(result.summary.differences)
    print(f"{looked_at}\n" if looked_at else "Nothing was compared.\n")
    warnings = result.bench.warnings
    for each in warnings[:MOST_WARNINGS]:
        print(f"warning: {each.model}, {each.benchmark}: {each.text}")
    if len(warnings) > MOST_WARNINGS:
        print(f"and {len(warnings) - MOST_WARNINGS} more warnings: see --json or --out")
    if warnings:
        print()


def _print_tests(bench: "BenchParts") -> None:
    from groundtune.cli.table import print_table
    from groundtune.pipeline.compare.parts import substitutes
    from groundtune.pipeline.compare.run import rows_of_tests

    if not bench.tests:
        return
    head = [
        "headlines",
        "model",
        "change",
        "95% interval",
        "p",
        "p, Holm",
        "",
        "would show",
        "items",
    ]
    print_table([head, *rows_of_tests(bench.tests)])
    print(
        "\nwould show: the smallest change that would be clear four times in five. "
        "items: better, worse, the same."
    )
    for benchmark, text in substitutes(bench):
        print(f"* {benchmark}: {text}")
    print()
