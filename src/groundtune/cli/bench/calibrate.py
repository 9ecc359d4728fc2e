"""`groundtune bench calibrate`."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from groundtune.bench.judge.calibrate import Figure
    from groundtune.pipeline.bench.calibrate import Calibrated

MOST = 12
"""Different verdicts up to which they are shown as a table."""


def calibrate(
    run: Path,
    against: Path,
    *,
    column: str = "",
    seed: int = 0,
    out: Path | None = None,
    json: bool = False,
) -> None:
    """Hold a judge's verdicts against another's, or people's, on the same answers.

    Args:
        run: Folder in which `groundtune bench score` kept one judge's scores.
        against: Folder with the scores of the judge, or the people, that it is held against.
        column: The value that is the verdict, such as grade or win; the benchmark's own if empty.
        seed: Of the resampling.
        out: Folder for the figures as JSON; the first folder if it isn't given.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.pipeline.bench.calibrate import calibrate as calibrate_folders

    target = out or run
    found = calibrate_folders(run, against, target, column=column, seed=seed)
    if not json:
        for each in found:
            _print(each)
    told = {"calibrations": [each.model_dump(mode="json") for each in found]} if json else {}
    finish(told, wrote=target / "calibration", json=json)


def _print(made: "Calibrated") -> None:
    from groundtune.cli.table import print_table

    each = made.calibration
    what = f", {made.column}" if made.column else ""
    told = f"{each.n} answers with both verdicts"
    print(f"{made.benchmark} of {made.model}{what}: {told}, {each.left_out} without")
    rows = [
        ("equal verdicts", each.agreement),
        ("kappa", each.kappa),
        ("kappa, quadratic weights", each.weighted_kappa),
        ("grade less the other's", each.bias),
        ("the same, a 100 words", each.bias_by_length),
    ]
    known = [(name, *_figure(figure)) for name, figure in rows if figure.value is not None]
    print_table([("figure", "value", "95% interval"), *known])
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
