"""`groundtune overcorrection`."""

from pathlib import Path


def overcorrection(
    *runs: str,
    error: str | None = None,
    coverage: str | None = None,
    benchmark: str | None = None,
    most_lost: float | None = None,
    out: Path = Path("runs/overcorrection"),
    json: bool = False,
) -> None:
    """Show what is lost as a model learns from more pairs, and where to stop.

    Pairs against hallucination lower it, and from some point on what is there goes unsaid, too.
    Train on growing numbers of pairs, run a benchmark on each model, and give the runs with their
    numbers. The curve stops before the first model that loses more coverage than is allowed.

    For example:

        groundtune overcorrection 0=runs/before 80=runs/with-80 160=runs/with-160 --most-lost 0.05

    Args:
        runs: NUMBER=FOLDER: pairs, and the run of groundtune bench of the model that was trained on
            that many. The first is the base, with 0.
        error: The metric that is to fall (default chair_sentence).
        coverage: The metric that must not (default recall).
        benchmark: The benchmark, as groundtune compare prints it (default the first that has both).
        most_lost: Largest loss of coverage from the base, in the metric's own unit (default 0.05).
        out: Folder for overcorrection.json and the report.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.table import print_table
    from groundtune.pipeline.compare.overcorrection import (
        OvercorrectionSettings,
        read_runs,
    )
    from groundtune.pipeline.compare.overcorrection import overcorrection as draw_curve
    from groundtune.recipe_loading import load

    options = {
        "error": error,
        "coverage": coverage,
        "benchmark": benchmark,
        "most_lost": most_lost,
    }
    settings = load(None, [], OvercorrectionSettings, options=options)
    numbers, folders = read_runs(runs)
    result = draw_curve(folders, numbers, out, settings)
    curve = result.summary
    if json:
        finish(curve.model_dump(mode="json"), path=result.report, json=True)
        return
    rows = [["pairs", settings.error, settings.coverage, "change", "allowed"]]
    for point in curve.points:
        both = (point.error, point.coverage)
        values = (f"{each.value:.3f} ({each.low:.3f} to {each.high:.3f})" for each in both)
        change, allowed = f"{point.coverage_change:+.3f}", "yes" if point.allowed else "no"
        rows.append([f"{point.pairs:g}", *values, change, allowed])
    print_table(rows)
    print()
    output = {"benchmark": curve.benchmark, "stop at": f"{curve.pairs:g} pairs, {curve.stop}"}
    finish({**output, "why": curve.why}, path=result.report)
