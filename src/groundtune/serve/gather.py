"""Work of several requests that waits for the model's thread at the same time, done together."""

import asyncio
import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from groundtune.serve.errors import ApiError
from groundtune.serve.thread import ModelThread, refusal

T = TypeVar("T")
R = TypeVar("R")


class Place(Generic[T, R]):
    """One request's work among others', and where its result goes. For any thread."""

    def __init__(self, item: T, kind: Hashable, size: int) -> None:
        self.item = item
        self.kind = kind
        self.size = size
        self.over = False
        """It has its result, or nobody waits for it any more."""
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[R] = self._loop.create_future()

    async def result(self) -> R:
        """Waits for it. Whoever is cancelled here gives his place up."""
        try:
            return await self._future
        finally:
            self.over = True

    def end(self, result: R) -> None:
        """The result; what comes after the first doesn't count."""
        self._settle(lambda: self._future.set_result(result))

    def fail(self, error: Exception) -> None:
        """No result. What the model refuses becomes the client's error."""
        self._settle(lambda: self._future.set_exception(refusal(error)))

    def _settle(self, settle: Callable[[], None]) -> None:
        if not self.over:
            self.over = True
            self._loop.call_soon_threadsafe(lambda: None if self._future.done() else settle())


class Gatherer(Generic[T, R]):
    """Runs `work` over all that waits, is of one kind, and has a size of at most `most` together.

    The first that waits decides the kind, so that nobody is passed over for ever. Each batch waits
    `wait_s` for company before it begins. `work` gives each place its result.
    """

    def __init__(
        self,
        thread: ModelThread,
        work: Callable[[Sequence[Place[T, R]]], None],
        *,
        most: int,
        wait_s: float = 0.0,
    ) -> None:
        self._thread = thread
        self._work = work
        self._most = most
        self._wait_s = wait_s
        self._waiting: list[Place[T, R]] = []
        self._lock = threading.Lock()
        self._runs: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many wait for their batch."""
        return len(self._left())

    async def do(self, item: T, kind: Hashable = None, size: int = 1) -> R:
        """The item's result. Can be cancelled.

        Raises:
            ApiError: the model refuses the request.
        """
        place: Place[T, R] = Place(item, kind, size)
        with self._lock:
            self._waiting.append(place)
        if self._runs is None:
            self._runs = asyncio.create_task(self._run())
        return await place.result()

    async def _run(self) -> None:
        """Batch after batch, until nothing waits."""
        try:
            while self._left():
                await asyncio.sleep(self._wait_s)
                await self._thread.run(self._do_some)
        finally:
            self._runs = None
            for place in self._left():
                place.fail(ApiError(503, "The server is shutting down.", type="server_error"))

    def _left(self) -> list[Place[T, R]]:
        with self._lock:
            self._waiting = [place for place in self._waiting if not place.over]
            return list(self._waiting)

    def _do_some(self) -> None:
        """One batch, in the model's thread: composed only now, so that all who wait are in it.

        Where it fails, each is tried alone: one request must not take the others down.
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

    def _together(self, batch: Sequence[Place[T, R]]) -> None:
        if batch:
            self._work(batch)
        assert all(place.over for place in batch), "work without a result"

    def _alone(self, place: Place[T, R]) -> None:
        if place.over:
            return
        try:
            self._together([place])
        except Exception as error:  # whatever it is, it is this request's
            place.fail(error)

    def _take(self) -> list[Place[T, R]]:
        taken: list[Place[T, R]] = []
        left = self._most
        for place in self._left():
            alike = not taken or (place.kind == taken[0].kind and place.size <= left)
            if alike:
                taken.append(place)
                left -= place.size
        with self._lock:
            self._waiting = [place for place in self._waiting if place not in taken]
        return taken
