"""Serves a model in this process; waiting requests are batched."""

import asyncio
import threading
from collections.abc import Callable, Collection, Hashable, Sequence

from groundtune.protocols import Reply
from groundtune.records import Sampling
from groundtune.serve.backend import AnswerRequest, AnswerResult, ModelTurn, Say, Speaker
from groundtune.serve.gather import Gatherer, QueueEntry
from groundtune.serve.telling import TextStream, until_stop
from groundtune.serve.thread import ModelThread

_LETTERS = 1000
"""Prompts share a batch if their lengths in thousands of characters have the same power of two: in
a batch, short prompts are padded to the longest."""


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
        self.gatherer: Gatherer[_Listener, AnswerResult] = Gatherer(
            thread, self._answer, max_size=batch_size, wait_s=gather_s
        )

    async def answer(self, request: AnswerRequest, say: Say | None = None) -> AnswerResult:
        """Return the answers; a cancelled request stops at the next token."""
        listener = _Listener(request, say)
        try:
            return await self.gatherer.do(listener, _kind(request), len(request.seeds))
        finally:
            listener.is_cancelled.set()

    async def close(self) -> None:
        """End the thread."""
        self._thread.close()

    def _answer(self, places: Sequence[QueueEntry["_Listener", AnswerResult]]) -> None:
        self._speaker.answer([place.item.turn(place) for place in places])


class _Listener:
    """A waiting request that receives its answers as they grow."""

    def __init__(self, request: AnswerRequest, say: Say | None) -> None:
        self.is_cancelled = threading.Event()
        self._request = request
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._stream = TextStream(len(request.seeds), request.stops, self._send_piece)

    def turn(self, place: QueueEntry["_Listener", AnswerResult]) -> ModelTurn:
        """Return the request for the model; its result goes to the queue entry."""
        return ModelTurn(
            request=self._request,
            watch=self._watch,
            end=lambda result: self._end(place, result),
            fail=place.fail,
        )

    def _watch(self, texts: Callable[[], Sequence[str]]) -> Collection[int]:
        if self.is_cancelled.is_set():
            return range(len(self._request.seeds))
        reads = self._say is not None or bool(self._request.stops)
        return self._stream.grow(texts()) if reads else ()

    def _end(self, place: QueueEntry["_Listener", AnswerResult], result: AnswerResult) -> None:
        replies = [_until(reply, self._request.stops) for reply in result.replies]
        self._stream.end([reply.text for reply in replies])
        place.end(AnswerResult(replies, result.prompt_tokens))

    def _send_piece(self, index: int, text: str) -> None:
        if self._say is not None:
            self._loop.call_soon_threadsafe(self._say, index, text)


def _kind(request: AnswerRequest) -> Hashable:
    """Return the properties that requests of one batch share; `max_new_tokens` may differ."""
    plain: Sampling = request.sampling.model_copy(update={"max_new_tokens": 1})
    parts = (part for message in request.prompt.messages for part in message.content)
    letters = sum(len(part.text) for part in parts if part.type == "text")
    return plain, len(request.prompt.images), (letters // _LETTERS).bit_length()


def _until(reply: Reply, stops: Sequence[str]) -> Reply:
    truncated = until_stop(reply.text, stops)
    return reply if truncated == reply.text else Reply(truncated, reply.tokens, finished=True)
