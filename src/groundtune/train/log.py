"""Training metrics as JSON lines: one object a step, in a file that a resumed run continues."""

import json
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path

from groundtune.errors import UserError
from groundtune.store.files import disk_error, write_atomic
from groundtune.store.rows import json_rows


class JsonlLog:
    """A Logger. Lines of steps after `step`, left by a run that was killed, are dropped."""

    def __init__(self, path: Path, step: int = 0) -> None:
        self.path = path
        kept = [line for line in read_log(path) if line["step"] <= step]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        write_atomic(path, text.encode())

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Appends the step's metrics.

        Raises:
            UserError: the disk is full.
        """
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, **metrics}) + "\n")
        except OSError as error:
            raise disk_error(error, self.path) from error


def read_log(path: Path) -> list[dict[str, float]]:
    """The lines of a log, none if there is no such file; a last line cut short is left out."""
    if not path.exists():
        return []
    whole = takewhile(lambda row: not isinstance(row.found, UserError), json_rows(path))
    return [dict(row.fields) for row in whole]
