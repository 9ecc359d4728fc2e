"""`groundtune pairs`."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number


def pairs(
    *,
    corrections: Path,
    out: Path | None = None,
    cap: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Make preference pairs of corrections.

    The corrected text is the chosen answer, the original the rejected one. What makes no pair is
    counted: nothing was wrong, everything was deleted, the answer was empty, or it was there
    before.

    Args:
        corrections: Folder that holds the corrections, as `groundtune label` wrote it.
        out: Folder for the pairs; without it they are added to the corrections' folder.
        cap: Pairs a prompt at the most; 0 keeps all.
        seed: Which pairs stay under the cap.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.pairs import PairSettings, make_pairs

    out = out or corrections
    with open_progress(silent=json) as progress:
        counts = make_pairs(
            corrections, out, PairSettings(cap=cap, seed=seed), progress, command=sys.argv
        )
    finish(
        counts.model_dump(), wrote=out / "pairs", next_command="groundtune train --help", json=json
    )
