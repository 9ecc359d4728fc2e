"""How a command ends: results on stdout, the path that it wrote, the next command to try."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from groundtune.cli.output import print_json


def finish(
    results: Mapping[str, object],
    *,
    path: Path | None = None,
    next_command: Sequence[str | Path] = (),
    json: bool = False,
) -> None:
    """Print a command's results.

    Args:
        results: The results, in the order to show; with `json` they are printed as JSON.
        path: The file or folder that the command wrote.
        next_command: The words of a command line to try next; they are quoted here.
        json: Print one JSON object on one line, for machines.
    """
    closing = {"wrote": str(path or ""), "next": shlex.join(map(str, next_command))}
    lines = {**results, **{name: text for name, text in closing.items() if text}}
    if json:
        print_json(lines)
        return
    width = max((len(name) for name in lines), default=0)
    for name, value in lines.items():
        sys.stdout.write(f"{name.ljust(width)}  {value}\n")
    sys.stdout.flush()
