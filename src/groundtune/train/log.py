"""Training metrics as JSON lines: one object per step; a resumed run appends to the file."""

from collections.abc import Mapping
from pathlib import Path

from groundtune.errors import UserError
from groundtune.store.lines import CheckedLines, read_lines

_FIX = "Restore it from a copy, or delete it: the run then logs only the steps that it still takes."


class JsonlLog:
    """A Logger that appends to a file; it first drops lines after `step` of an interrupted run."""

    def __init__(self, path: Path, step: int = 0) -> None:
        """Open the log of a run that has taken `step` steps.

        Raises:
            UserError: the log is damaged or lacks a step, or the disk is full.
        """
        earlier = [line for line in read_log(path) if line["step"] <= step]
        if path.exists():
            _refuse_gaps(earlier, step, path)
        self._lines = CheckedLines(path, earlier)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append the step's metrics.

        Raises:
            UserError: the disk is full.
        """
        self._lines.append({"step": step, **metrics})


def read_log(path: Path) -> list[dict[str, float]]:
    """Return the lines of a log, none without a file; leave out an incomplete last line.

    Raises:
        UserError: a line is damaged.
    """
    return read_lines(path, _FIX)


def _refuse_gaps(lines: list[dict[str, float]], step: int, path: Path) -> None:
    """A step is logged before its checkpoint is written, so what is missing was lost."""
    logged = {int(line["step"]) for line in lines}
    missing = sorted(set(range(min(logged, default=step + 1), step + 1)) - logged)
    if missing:
        raise UserError(f"The log has no line of step {missing[0]}.", str(path), _FIX)
