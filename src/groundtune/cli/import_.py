"""`groundtune import`."""

import sys
from pathlib import Path
from typing import Literal


def import_(
    layout: Literal["rlhf-v"],
    file: Path,
    *,
    out: Path,
    skip_bad: bool = False,
    json: bool = False,
) -> None:
    """Read a published data set's layout.

    Pairs, prompts and pictures go into a run's folder; where the layout has no spans, they are
    recovered by comparing the two answers. Run again, it goes on where it stopped.

    Args:
        layout: rlhf-v is openbmb/RLHF-V-Dataset's Parquet file.
        file: The file.
        out: Folder for the pairs, their prompts and pictures.
        skip_bad: Leave bad rows out and list them, rather than stop at the first.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.exchange import import_rlhf_v

    assert layout == "rlhf-v"
    with open_progress(silent=json) as progress:
        made = import_rlhf_v(file, out, progress, skip_bad=skip_bad, command=sys.argv)
    skipped: object = made.skipped if json else len(made.skipped)  # the log has listed them
    finish(
        {**made.model_dump(), "skipped": skipped},
        wrote=out / "pairs",
        next_command="groundtune train --help",
        json=json,
    )
