"""Delay Ctrl-C during training until the end of the step, so that the step is saved."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Self


class Interrupt:
    """Inside the block, the first Ctrl-C only sets `asked`; a second one interrupts at once.

    Outside the main thread it does nothing, since Python signals only the main thread.
    """

    def __init__(self) -> None:
        self.requested = False
        self._main = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Self:
        if self._main:
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._main:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
