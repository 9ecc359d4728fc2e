"""Works for the tests of pipeline/models/workers/ray.py; Ray's workers import them from here."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from groundtune.errors import UserError
from groundtune.pipeline.models.names import Labeler
from groundtune.protocols import Reply
from groundtune.records import Producer, Prompt, Sampling


class DiesOnce:
    """A `Generator` whose process ends with its second batch, as if killed; the next one lives."""

    def __init__(self, generator: Labeler, marks: Path) -> None:
        self._generator = generator
        self._marks = marks
        self._batches = 0

    def producer(self, sampling: Sampling, seed: int) -> Producer:
        return self._generator.producer(sampling, seed)

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, seeds: Sequence[int]
    ) -> list[Reply]:
        self._batches += 1
        died = self._marks / "died"
        if self._batches == 2 and not died.exists():
            died.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        (self._marks / f"worked-{os.getpid()}").touch()
        return self._generator.generate(prompts, sampling, seeds)


def twice(number: int) -> tuple[int, int]:
    """Twice the number, and the process that says so."""
    return 2 * number, os.getpid()


def refuse(number: int) -> int:
    raise UserError(f"{number} is wrong.", "the number", "Take another.")


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number
