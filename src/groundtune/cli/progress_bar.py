"""The progress bar of a terminal, drawn by rich, which plain lines do not need."""

from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class BarProgress:
    """One bar at a time; the bar of a finished task stays above the next."""

    def __init__(self, stream: TextIO) -> None:
        self._rich = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(file=stream),
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._rich.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._rich.stop()

    def start(self, task: str, total: int | None = None) -> None:
        """Stop the previous bar and draw a new one."""
        if self._task is not None:
            self._rich.stop_task(self._task)
        self._task = self._rich.add_task(task, total=total, note="")

    def advance(self, count: int = 1, note: str = "") -> None:
        """Move the bar; a note stays until the next one."""
        if self._task is None:
            self.start("working")
        assert self._task is not None
        self._rich.advance(self._task, count)
        if note:
            self._rich.update(self._task, note=note)
