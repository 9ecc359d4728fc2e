"""Waiting for what other threads and processes do, however slow the machine is."""

import time
from collections.abc import Callable


def wait_until(true: Callable[[], object], seconds: float = 120) -> None:
    """Waits until the condition holds; a test fails where it doesn't in so many seconds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.01)
