"""`groundtune export`."""

import shlex
from pathlib import Path

from groundtune.cli.import_ import with_layouts
from groundtune.interchange.names import LayoutName


def export(layout: LayoutName, run: Path, *, out: Path, json: bool = False) -> None:
    """Write a published data set's layout.

    Pictures are in a Parquet file, or lie beside a file of JSON, which names them.

    Args:
        layout: The layout, one of those above.
        run: Folder that holds the pairs.
        out: The file to write; its ending says what it will be: .parquet, .jsonl or .json.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.exchange import export_layout

    with open_progress(silent=json) as progress:
        written = export_layout(layout, run, out, progress)
    results: dict[str, object] = {"rows": written.rows}
    if written.non_commercial:
        results["no commercial use"] = ", ".join(written.non_commercial)
    quoted = shlex.quote(str(out))
    finish(
        results,
        wrote=out,
        next_command=f"groundtune import {layout} {quoted} --out imported",
        json=json,
    )


export.__doc__ = with_layouts(export.__doc__ or "")
