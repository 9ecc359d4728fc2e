"""Admission control: bounds on concurrent requests, queued requests and bytes of bodies."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

from groundtune.serve.errors import ApiError
from groundtune.serve.limits import Limits


class Gate:
    """Counts running and waiting requests and the bytes of their bodies.

    A request that finds the queue full is refused before its body is read, so memory stays bounded.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.inside = 0
        """Admitted requests that are not finished: waiting or running."""
        self.running = 0
        self._bytes = 0
        self.readers = asyncio.Semaphore(2)
        """Held while a body or its images are read, which takes several times its bytes."""
        self._turns = asyncio.Semaphore(limits.running)
        self._usual_s = 1.0
        """Mean duration of recent requests."""

    @property
    def waiting(self) -> int:
        """Admitted requests that are not running."""
        return self.inside - self.running

    @contextmanager
    def enter(self) -> Generator["Slot"]:
        """Hold a slot. Raises ApiError (429) at once if all are taken."""
        if self.inside >= self.limits.running + self.limits.waiting:
            raise self._full("queue_full", "All slots are in use, and the queue is full.")
        self.inside += 1
        slot = Slot(self)
        try:
            yield slot
        finally:
            slot.free()
            self.inside -= 1

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Wait for the request's turn and hold it; first come, first served."""
        async with self._turns:
            self.running += 1
            start = time.monotonic()
            try:
                yield
            finally:
                self.running -= 1
                self._usual_s += 0.2 * (time.monotonic() - start - self._usual_s)

    def take(self, size: int) -> None:
        """Count bytes of a body. Raises ApiError (429) beyond the limit for all bodies."""
        if self._bytes + size > self.limits.bodies_bytes:
            raise self._full("too_many_bytes", "The current requests hold too many bytes.")
        self._bytes += size

    def give(self, size: int) -> None:
        """Release bytes."""
        self._bytes -= size

    def _full(self, code: str, why: str) -> ApiError:
        seconds = self._usual_s * (self.waiting + 1) / self.limits.running
        after = max(1, min(60, math.ceil(seconds)))
        return ApiError(code, f"{why} Try again later.", retry_after_s=after)


class Slot:
    """The slot and bytes of one admitted request."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._size = 0

    def take(self, size: int) -> None:
        """Count more bytes of its body. Raises ApiError (429)."""
        self._gate.take(size)
        self._size += size

    def free(self) -> None:
        """Release the bytes of its body."""
        self._gate.give(self._size)
        self._size = 0
