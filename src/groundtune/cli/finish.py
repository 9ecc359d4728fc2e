"""How a command ends: results on stdout, the path that it wrote, the next command to try."""

import json as json_module
import sys
from collections.abc import Mapping
from pathlib import Path


def finish(
    results: Mapping[str, object],
    *,
    wrote: Path | None = None,
    next_command: str = "",
    json: bool = False,
) -> None:
    """Print a command's results.

    Args:
        results: What was done, in the order to show; with `json` they go through `json.dumps`.
        wrote: The file or folder that the command wrote.
        next_command: A whole command line to try next.
        json: One JSON object on one line, for machines.
    """
    closing = {"wrote": str(wrote) if wrote else "", "next": next_command}
    shown = {**results, **{name: value for name, value in closing.items() if value}}
    if json:
        print(json_module.dumps(shown, default=str, ensure_ascii=False), flush=True)
        return
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        sys.stdout.write(f"{name.ljust(width)}  {value}\n")
    sys.stdout.flush()
