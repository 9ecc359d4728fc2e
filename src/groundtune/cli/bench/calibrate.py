"""`groundtune bench calibrate`."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from groundtune.bench.judge.calibrate import Figure
    from groundtune.pipeline.bench.calibrate import JudgeCalibration

MOST = 12
"""Largest number of different verdicts that is shown as a table."""


def calibrate(
    run: Path,
    against: Path,
    /,
    *,
    column: str = "",
    seed: int = 0,
    out: Path | None = None,
    json: bool = False,
) -> None:
    """Compare a judge's verdicts with those of another judge, or of people, on the same answers.

    For example:

        groundtune bench calibrate runs/cheap-judge runs/large-judge

    Args:
        run: Folder with scores by one judge, from `groundtune bench score`.
        against: Folder with scores by the other judge, or by people.
        column: Value to compare, such as grade or win (default: the benchmark's verdict).
        seed: Random seed of the bootstrap.
        out: Folder for the results as JSON (default: the first folder).
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.pipeline.bench.calibrate import calibrate as calibrate_folders

    target = out or run
    results = calibrate_folders(run, against, target, column=column, seed=seed)
    if not json:
        for result in results:
            _print(result)
    output = {"calibrations": [each.model_dump(mode="json") for each in results]} if json else {}
    finish(output, path=target / "calibration", json=json)


def _print(result: "JudgeCalibration") -> None:
    from groundtune.cli.table import print_table

    each = result.calibration
    column = f", {result.column}" if result.column else ""
    counts = f"{each.n} answers with both verdicts, {each.left_out} without"
    print(f"{result.benchmark} of {result.model}{column}: {counts}")
    rows = [
        ("equal verdicts", each.agreement),
        ("kappa", each.kappa),
        ("kappa, quadratic weights", each.weighted_kappa),
        ("grade minus the other's", each.bias),
        ("the same, per 100 words", each.bias_by_length),
    ]
    figures = [(name, *_figure(figure)) for name, figure in rows if figure.value is not None]
    print_table([("figure", "value", "95% interval"), *figures])
    if len(each.verdicts) > MOST:
        return
    print()
    print_table(
        [
            ("this judge \\ the other", *each.verdicts),
            *(
                (name, *map(str, line))
                for name, line in zip(each.verdicts, each.table, strict=True)
            ),
        ]
    )


def _figure(figure: "Figure") -> tuple[str, str]:
    low, high = (f"{x:.2f}" if x is not None else "-" for x in (figure.low, figure.high))
    return f"{figure.value:.2f}", f"{low} to {high}"
