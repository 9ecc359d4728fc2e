"""What is under way when a loop's thread ends is cancelled, and its cleaning up is waited for."""

import asyncio
import time
from collections.abc import Callable

from groundtune.generate.loop_thread import LoopThread


def test_stopping_cancels_what_is_under_way() -> None:
    loop, began, ended = LoopThread(), list[str](), list[str]()

    async def work(name: str) -> None:
        began.append(name)
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    for name in ("a", "b"):
        loop.submit(work(name))
    _wait(lambda: len(began) == 2)
    loop.stop()
    _wait(lambda: len(ended) == 2)
    assert sorted(ended) == ["a", "b"]


def _wait(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not done() and time.monotonic() < end:
        time.sleep(0.01)
