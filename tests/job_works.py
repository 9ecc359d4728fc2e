"""Works of jobs for the tests of pipeline/runs/jobs.py; worker processes import them from here."""

import os
import time
from pathlib import Path

from groundtune.errors import UserError
from groundtune.protocols import Progress
from groundtune.recipe_loading import Settings


class Letter(Settings):
    text: str


def write_down(folder: Path, settings: Letter, progress: Progress) -> None:
    """Adds its letter to a file that all jobs share."""
    progress.start("write letters", total=2)
    progress.advance(2)
    with (folder / "written.txt").open("a") as file:
        file.write(settings.text)


def tell_process(folder: Path, settings: Letter, progress: Progress) -> None:
    (folder / f"{settings.text}.pid").write_text(str(os.getpid()))


def fail(folder: Path, settings: Letter, progress: Progress) -> None:
    raise UserError("It is wrong.", settings.text, "Mend it.")


def wait_long(folder: Path, settings: Letter, progress: Progress) -> None:
    """Writes the time again and again, for a minute."""
    for _ in range(600):
        (folder / f"{settings.text}.alive").write_text(f"{os.getpid()} {time.time()}")
        time.sleep(0.1)


class Notes:
    """Progress that keeps all it is told."""

    def __init__(self) -> None:
        self.tasks: list[tuple[str, int | None]] = []
        self.done: list[int] = []
        self.notes: list[str] = []

    def start(self, task: str, total: int | None = None) -> None:
        self.tasks.append((task, total))

    def advance(self, count: int = 1, note: str = "") -> None:
        self.done.append(count)
        self.notes.append(note)
