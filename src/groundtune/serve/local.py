"""A model in this process behind the server: one thread, one request after the other."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from groundtune.errors import UserError
from groundtune.protocols import Images, Reply
from groundtune.records import Prompt, Sampling
from groundtune.serve.backend import Answered, Asked, Say, Speaker, Watch
from groundtune.serve.errors import ApiError
from groundtune.serve.telling import Telling, until_stop

if TYPE_CHECKING:
    from groundtune.vlm.load import Vlm

T = TypeVar("T")


class ModelThread:
    """The thread in which models run: torch keeps it busy, and the event loop stays free."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="model")

    async def run(self, work: Callable[[], T], stop: Callable[[], None] = lambda: None) -> T:
        """The work's result. Cancelled, it calls `stop` and waits until the thread is free.

        Raises:
            ApiError: the model refuses the request (a prompt with its image placeholder, say).
        """
        submitted = self._pool.submit(work)
        future = asyncio.wrap_future(submitted)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            stop()
            if not submitted.cancel():
                await asyncio.wait([future])
                future.exception()  # nobody is left to be told of it
            raise
        except UserError as error:
            raise ApiError(400, error.what, code="invalid_value") from error

    def close(self) -> None:
        """Ends the thread after what it is at."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class LocalBackend:
    """A `Backend` over a `Speaker`."""

    def __init__(self, speaker: Speaker, thread: ModelThread) -> None:
        self._speaker = speaker
        self._thread = thread

    async def answer(self, asked: Asked, say: Say | None = None) -> Answered:
        """The answers; a cancelled request stops at the next token."""
        stopped = threading.Event()
        loop = asyncio.get_running_loop()

        def tell(index: int, text: str) -> None:
            if say is not None:
                loop.call_soon_threadsafe(say, index, text)

        telling = Telling(len(asked.seeds), asked.stops, tell)
        reads = say is not None or bool(asked.stops)

        def watch(texts: Callable[[], Sequence[str]]) -> bool:
            return not stopped.is_set() and (not reads or telling.grow(texts()))

        def work() -> Answered:
            found = self._speaker.answer(asked.prompt, asked.sampling, asked.seeds, watch)
            replies = [_until(reply, asked.stops) for reply in found.replies]
            telling.end([reply.text for reply in replies])
            return Answered(replies, found.prompt_tokens)

        return await self._thread.run(work, stopped.set)

    async def close(self) -> None:
        """Ends the thread."""
        self._thread.close()


class VlmSpeaker:
    """A `Speaker` over a loaded model; `batch_size` answers are drawn at a time."""

    def __init__(self, vlm: "Vlm", images: Images, batch_size: int = 16) -> None:
        self._vlm = vlm
        self._images = images
        self._batch_size = batch_size

    def answer(
        self, prompt: Prompt, sampling: Sampling, seeds: Sequence[int], watch: Watch
    ) -> Answered:
        """One reply a seed; `seeds[i]` alone decides draw i, as in `groundtune sample`.

        Raises:
            UserError: the text contains the model's image placeholder.
        """
        from groundtune.generate.decode import decode
        from groundtune.vlm.encode import decode_answer, encode_prompt

        vlm, going = self._vlm, True
        encoded = encode_prompt(vlm, prompt, self._images)
        done: list[Sequence[int]] = []

        def look(rows: Sequence[Sequence[int]]) -> bool:
            nonlocal going
            left = [()] * (len(seeds) - len(done) - len(rows))
            going = watch(lambda: [decode_answer(vlm, ids) for ids in (*done, *rows, *left)])
            return going

        for first in range(0, len(seeds), self._batch_size):
            own = seeds[first : first + self._batch_size]
            done += decode(vlm, [encoded], [0] * len(own), own, sampling, watch=look)
            if not going:
                break
        done += [()] * (len(seeds) - len(done))
        replies = [_reply(vlm, ids) for ids in done]
        return Answered(replies, len(encoded.ids))


def _reply(vlm: "Vlm", ids: Sequence[int]) -> Reply:
    from groundtune.vlm.encode import decode_answer

    return Reply(decode_answer(vlm, ids), len(ids), bool(ids) and ids[-1] in vlm.eos_ids)


def _until(reply: Reply, stops: Sequence[str]) -> Reply:
    cut = until_stop(reply.text, stops)
    return reply if cut == reply.text else Reply(cut, reply.tokens, finished=True)
