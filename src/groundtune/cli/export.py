"""`groundtune export`."""

import shlex
from pathlib import Path
from typing import Literal


def export(layout: Literal["rlhf-v"], run: Path, *, out: Path, json: bool = False) -> None:
    """Write a published data set's layout.

    Args:
        layout: rlhf-v is openbmb/RLHF-V-Dataset's Parquet file.
        run: Folder that holds the pairs.
        out: The file to write.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.exchange import export_rlhf_v

    assert layout == "rlhf-v"
    with open_progress(silent=json) as progress:
        written = export_rlhf_v(run, out, progress)
    results: dict[str, object] = {"rows": written.rows}
    if written.non_commercial:
        results["no commercial use"] = ", ".join(written.non_commercial)
    quoted = shlex.quote(str(out))
    finish(
        results,
        wrote=out,
        next_command=f"groundtune import rlhf-v {quoted} --out imported",
        json=json,
    )
