"""Dynamic batching: requests that wait for the model's thread are run together."""

import asyncio
import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from groundtune.serve.errors import ApiError
from groundtune.serve.thread import ModelThread, refusal

T = TypeVar("T")
R = TypeVar("R")


class QueueEntry(Generic[T, R]):
    """One request's work in a batch, and the future of its result. Thread-safe."""

    def __init__(self, item: T, kind: Hashable, size: int) -> None:
        self.item = item
        self.kind = kind
        self.size = size
        self.over = False
        """Whether it has a result or was cancelled."""
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[R] = self._loop.create_future()

    async def result(self) -> R:
        """Wait for the result. Cancelling releases the slot."""
        try:
            return await self._future
        finally:
            self.over = True

    def end(self, result: R) -> None:
        """Set the result; later results are ignored."""
        self._settle(lambda: self._future.set_result(result))

    def fail(self, error: Exception) -> None:
        """Set an error. A model's UserError becomes the client's error."""
        self._settle(lambda: self._future.set_exception(refusal(error)))

    def _settle(self, settle: Callable[[], None]) -> None:
        if not self.over:
            self.over = True
            self._loop.call_soon_threadsafe(lambda: None if self._future.done() else settle())


class Gatherer(Generic[T, R]):
    """Runs `work` on batches of waiting items of one kind, with a total size of at most `max_size`.

    The first waiting item decides the kind, so none waits forever. Each batch waits `wait_s` for
    more items before it starts. `work` sets the result of each entry.
    """

    def __init__(
        self,
        thread: ModelThread,
        work: Callable[[Sequence[QueueEntry[T, R]]], None],
        *,
        max_size: int,
        wait_s: float = 0.0,
    ) -> None:
        self._thread = thread
        self._work = work
        self._max_size = max_size
        self._wait_s = wait_s
        self._waiting: list[QueueEntry[T, R]] = []
        self._lock = threading.Lock()
        self._runs: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Number of items that wait for their batch."""
        return len(self._open_entries())

    async def do(self, item: T, kind: Hashable = None, size: int = 1) -> R:
        """Return the item's result. Can be cancelled.

        Raises:
            ApiError: the model refuses the request.
        """
        place: QueueEntry[T, R] = QueueEntry(item, kind, size)
        with self._lock:
            self._waiting.append(place)
        if self._runs is None:
            self._runs = asyncio.create_task(self._run())
        return await place.result()

    async def _run(self) -> None:
        """Run batches until nothing waits."""
        try:
            while self._open_entries():
                await asyncio.sleep(self._wait_s)
                await self._thread.run(self._run_batch)
        finally:
            self._runs = None
            for place in self._open_entries():
                place.fail(ApiError("shutting_down", "The server is shutting down."))

    def _open_entries(self) -> list[QueueEntry[T, R]]:
        with self._lock:
            self._waiting = [place for place in self._waiting if not place.over]
            return list(self._waiting)

    def _run_batch(self) -> None:
        """Run one batch in the model's thread, composed now so that all waiting items are in it.

        If it fails, run each item alone: one request must not fail the others.
        """
        batch = self._take()
        try:
            self._together(batch)
        except Exception as error:
            if len(batch) == 1:
                batch[0].fail(error)
                return
            for place in batch:
                self._alone(place)

    def _together(self, batch: Sequence[QueueEntry[T, R]]) -> None:
        if batch:
            self._work(batch)
        assert all(place.over for place in batch), "work without a result"

    def _alone(self, place: QueueEntry[T, R]) -> None:
        if place.over:
            return
        try:
            self._together([place])
        except Exception as error:  # any error belongs to this request
            place.fail(error)

    def _take(self) -> list[QueueEntry[T, R]]:
        batch: list[QueueEntry[T, R]] = []
        room = self._max_size
        for place in self._open_entries():
            alike = not batch or (place.kind == batch[0].kind and place.size <= room)
            if alike:
                batch.append(place)
                room -= place.size
        with self._lock:
            self._waiting = [place for place in self._waiting if place not in batch]
        return batch
