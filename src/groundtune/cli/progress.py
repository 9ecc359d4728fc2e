"""Progress on stderr: a bar on a terminal, plain lines elsewhere, or nothing.

    with open_progress(silent=json) as progress:
        progress.start("sample", total=len(prompts))
        progress.advance(8, note="12 tokens/s")

Library code takes a `groundtune.protocols.Progress` and imports none of these classes.
"""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TextIO

from groundtune.protocols import Progress, SilentProgress

EVERY_S = 5.0
"""Seconds between two plain lines of one task."""


class PlainProgress:
    """Lines with count, rate and time left: one per `every_s` seconds, and one when a task ends."""

    def __init__(
        self,
        stream: TextIO,
        *,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._every_s = every_s
        self._clock = clock
        self._task = ""
        self._total: int | None = None
        self._count = self._last_count = 0
        self._note = ""
        self._start_s = self._last_s = clock()

    def start(self, task: str, total: int | None = None) -> None:
        """Write the last line of the previous task, and start a new one."""
        self.close()
        self._task, self._total, self._count, self._last_count, self._note = task, total, 0, 0, ""
        self._start_s = self._last_s = self._clock()

    def advance(self, count: int = 1, note: str = "") -> None:
        """Count, and write a line if one is due or the task is complete."""
        self._count += count
        self._note = note or self._note
        due = self._clock() - self._last_s >= self._every_s
        if due or self._count == self._total:
            self._write()

    def close(self) -> None:
        """Write the last count if no line has shown it."""
        if self._count > self._last_count:
            self._write()

    def _write(self) -> None:
        self._last_s = self._clock()
        self._last_count = self._count
        elapsed_s = self._last_s - self._start_s
        print(
            progress_line(self._task, self._count, self._total, elapsed_s, self._note),
            file=self._stream,
            flush=True,
        )


def progress_line(task: str, count: int, total: int | None, elapsed_s: float, note: str) -> str:
    """One plain line: "sample  12/40  3.1/s  0:09 left  note"."""
    rate = count / elapsed_s if elapsed_s > 0 else 0.0
    parts = [task, str(count) if total is None else f"{count}/{total}"]
    if rate:
        parts.append(f"{rate:.3g}/s")
    if total is not None and count >= total:
        parts.append(f"done in {_clock_time(elapsed_s)}")
    elif total is not None and rate:
        parts.append(f"{_clock_time((total - count) / rate)} left")
    if note:
        parts.append(note)
    return "  ".join(parts)


def _clock_time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def open_progress(*, silent: bool = False, stream: TextIO | None = None) -> Generator[Progress]:
    """Progress on `stream` (stderr): a bar on a terminal, lines elsewhere, or nothing."""
    stream = stream or sys.stderr
    if silent or stream is None:
        yield SilentProgress()
    elif stream.isatty():
        with _bar(stream) as progress:
            yield progress
    else:
        plain = PlainProgress(stream)
        try:
            yield plain
        finally:
            plain.close()


@contextmanager
def _bar(stream: TextIO) -> Generator[Progress]:
    from groundtune.cli.progress_bar import BarProgress

    with BarProgress(stream) as bar:
        yield bar
