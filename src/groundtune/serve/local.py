"""Serves a model in this process; waiting requests are batched."""

import asyncio
import threading
from collections.abc import Callable, Collection, Hashable, Sequence

from groundtune.protocols import Reply
from groundtune.records import Sampling
from groundtune.serve.backend import Answered, Asked, Say, Speaker, Turn
from groundtune.serve.gather import Gatherer, QueueEntry
from groundtune.serve.telling import Telling, until_stop
from groundtune.serve.thread import ModelThread

_LETTERS = 1000
"""Prompts share a batch if their lengths in thousands of characters have the same power of two:
in a batch, a short prompt is padded to the longest."""


class LocalBackend:
    """A `Backend` over a `Speaker`.

    Requests with the same decoding settings are answered in one batch of at most `batch_size`
    answers, which waits `gather_s` for more requests before it starts; later requests wait for the
    next batch. Each request is answered when its own answers are complete, not the batch's.
    """

    def __init__(
        self,
        speaker: Speaker,
        thread: ModelThread,
        *,
        batch_size: int = 16,
        gather_s: float = 0.0,
    ) -> None:
        self._speaker = speaker
        self._thread = thread
        self.gatherer: Gatherer[_Listener, Answered] = Gatherer(
            thread, self._answer, most=batch_size, wait_s=gather_s
        )

    async def answer(self, asked: Asked, say: Say | None = None) -> Answered:
        """Return the answers; a cancelled request stops at the next token."""
        listener = _Listener(asked, say)
        try:
            return await self.gatherer.do(listener, _kind(asked), len(asked.seeds))
        finally:
            listener.gone.set()

    async def close(self) -> None:
        """End the thread."""
        self._thread.close()

    def _answer(self, places: Sequence[QueueEntry["_Listener", Answered]]) -> None:
        self._speaker.answer([place.item.turn(place) for place in places])


class _Listener:
    """A waiting request that receives its answers as they grow."""

    def __init__(self, asked: Asked, say: Say | None) -> None:
        self.gone = threading.Event()
        self._asked = asked
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._telling = Telling(len(asked.seeds), asked.stops, self._tell)

    def turn(self, place: QueueEntry["_Listener", Answered]) -> Turn:
        """The request for the model; its result goes to the place."""
        return Turn(
            asked=self._asked,
            watch=self._watch,
            end=lambda found: self._end(place, found),
            fail=place.fail,
        )

    def _watch(self, texts: Callable[[], Sequence[str]]) -> Collection[int]:
        if self.gone.is_set():
            return range(len(self._asked.seeds))
        reads = self._say is not None or bool(self._asked.stops)
        return self._telling.grow(texts()) if reads else ()

    def _end(self, place: QueueEntry["_Listener", Answered], found: Answered) -> None:
        replies = [_until(reply, self._asked.stops) for reply in found.replies]
        self._telling.end([reply.text for reply in replies])
        place.end(Answered(replies, found.prompt_tokens))

    def _tell(self, index: int, text: str) -> None:
        if self._say is not None:
            self._loop.call_soon_threadsafe(self._say, index, text)


def _kind(asked: Asked) -> Hashable:
    """Return the properties that requests of one batch share; `max_new_tokens` may differ."""
    plain: Sampling = asked.sampling.model_copy(update={"max_new_tokens": 1})
    parts = (part for message in asked.prompt.messages for part in message.content)
    letters = sum(len(part.text) for part in parts if part.type == "text")
    return plain, len(asked.prompt.images), (letters // _LETTERS).bit_length()


def _until(reply: Reply, stops: Sequence[str]) -> Reply:
    cut = until_stop(reply.text, stops)
    return reply if cut == reply.text else Reply(cut, reply.tokens, finished=True)
