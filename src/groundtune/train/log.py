"""Training metrics as JSON lines: one object per step; a resumed run appends to the file."""

import json
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path

from groundtune.errors import UserError
from groundtune.store.files import disk_error, write_atomic
from groundtune.store.rows import json_rows


class JsonlLog:
    """A Logger that appends to a file; it first drops lines after `step` of an interrupted run."""

    def __init__(self, path: Path, step: int = 0) -> None:
        self.path = path
        earlier = [line for line in read_log(path) if line["step"] <= step]
        text = "".join(json.dumps(line) + "\n" for line in earlier)
        write_atomic(path, text.encode())

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append the step's metrics.

        Raises:
            UserError: the disk is full.
        """
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, **metrics}) + "\n")
        except OSError as error:
            raise disk_error(error, self.path) from error


def read_log(path: Path) -> list[dict[str, float]]:
    """Return the lines of a log, none without a file; skip an incomplete last line."""
    if not path.exists():
        return []
    whole = takewhile(lambda row: not isinstance(row.found, UserError), json_rows(path))
    return [dict(row.fields) for row in whole]
