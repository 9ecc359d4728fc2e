"""Seconds and peak memory of a step's parts, measured alike on both sides."""

import time
from pathlib import Path
from typing import NamedTuple

PARTS = ("rollout", "reward", "reference", "update", "other")
LEARN = ("reference", "update")
"""What is done with answers that are there and rewarded."""
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Took(NamedTuple):
    """Seconds of one part: of the processor, and on the clock."""

    cpu: float
    wall: float


class Parts:
    """What each part of a step took; a part that comes several times is added up."""

    def __init__(self, *, memory: bool = False) -> None:
        """With `memory`, peaks are taken, which needs Linux and costs a little time."""
        self._memory = memory
        self.peaks: dict[str, int] = {}
        """The most resident memory within each part of any step, kB."""
        self.again()

    def again(self) -> None:
        """Begins a step."""
        self.took: dict[str, Took] = {}
        if self._memory:
            forget_peak()
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def note(self, part: str) -> None:
        """What came since the last note was this part."""
        cpu, wall = time.process_time(), time.perf_counter()
        before = self.took.get(part, Took(0.0, 0.0))
        self.took[part] = Took(before.cpu + cpu - self._cpu, before.wall + wall - self._wall)
        if self._memory:
            self.peaks[part] = max(self.peaks.get(part, 0), peak())
            forget_peak()
        self._cpu, self._wall = time.process_time(), time.perf_counter()


def peak() -> int:
    """The most resident memory of this process since `forget_peak`, kB."""
    line = next(
        each
        for each in STATUS.read_text(encoding="utf-8").splitlines()
        if each.startswith("VmHWM:")
    )
    return int(line.split()[1])


def forget_peak() -> None:
    """The peak begins again at what is resident now."""
    CLEAR.write_text("5", encoding="ascii")
