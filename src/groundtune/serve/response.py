"""Handles one request: reads its body within limits, sends the reply, complete or streamed.

If the client disconnects, its work is cancelled.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from groundtune.serve.errors import ApiError, HungUp, internal_error, too_slow
from groundtune.serve.gate import Slot
from groundtune.serve.guard import REQUEST_ID
from groundtune.serve.prompts import clamped_fields, parse_chat, parse_reward, parse_thumb
from groundtune.serve.replies import Envelope, reward_body, thumb_body
from groundtune.serve.schema import ChatRequest
from groundtune.serve.service import ChatResult, Service
from groundtune.store.json_writing import json_of

T = TypeVar("T")

log = logging.getLogger(__name__)

_Finish = Callable[[], Awaitable[None]]
_EVENTS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
}


class BoundedResponse(Response, ABC):
    """The response to one request, whose size and time are bounded."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the request and send the reply."""
        wire = _Wire(send)
        limits = self._service.limits
        try:
            async with asyncio.timeout(limits.seconds):
                with self._service.gate.enter() as slot:
                    work = await self._begin(await self._read(scope, receive, slot), wire)
                    finish = await _until_gone(work, receive)
                # release the slot before the client sees the end and sends its next request
                await finish()
        except ApiError as error:
            await wire.fail(error)
        except TimeoutError:
            await wire.fail(too_slow(limits.seconds))
        except HungUp:
            self._service.metrics.count("requests_total", path=scope["path"], status="499")
            scope["groundtune.hung_up"] = True
        except Exception:
            log.exception("request %s failed", scope[REQUEST_ID])
            await wire.fail(internal_error(scope[REQUEST_ID]))

    @abstractmethod
    async def _begin(self, body: bytes, wire: "_Wire") -> Coroutine[Any, Any, _Finish]:
        """Return the work of a request; it returns what sends the end of the reply.

        Raises:
            ApiError: the request is refused.
        """

    async def _read(self, scope: Scope, receive: Receive, slot: Slot) -> bytes:
        limits = self._service.limits
        _check_headers(dict(scope["headers"]), limits.body_bytes)
        try:
            async with asyncio.timeout(limits.body_seconds):
                return await _read_body(receive, limits.body_bytes, slot)
        except TimeoutError as error:
            message = f"The body did not arrive in {limits.body_seconds:g} seconds."
            raise ApiError("body_timeout", message) from error


class RewardResponse(BoundedResponse):
    """The response to a request for rewards."""

    async def _begin(self, body: bytes, wire: "_Wire") -> Coroutine[Any, Any, _Finish]:
        self._service.refuse_reward()
        async with self._service.gate.readers:
            request = await asyncio.to_thread(parse_reward, body, self._service.limits)

        async def work() -> _Finish:
            rewards = await self._service.reward(request)
            return lambda: wire.json(200, reward_body(rewards))

        return work()


class ThumbResponse(BoundedResponse):
    """The response to a thumb."""

    async def _begin(self, body: bytes, wire: "_Wire") -> Coroutine[Any, Any, _Finish]:
        self._service.refuse_thumb()
        async with self._service.gate.readers:
            request = await asyncio.to_thread(parse_thumb, body, self._service.limits)

        async def work() -> _Finish:
            thumb = await self._service.add_thumb(request)
            return lambda: wire.json(200, thumb_body(thumb))

        return work()


class ChatResponse(BoundedResponse):
    """The response to one chat request."""

    async def _begin(self, body: bytes, wire: "_Wire") -> Coroutine[Any, Any, _Finish]:
        async with self._service.gate.readers:
            chat = await asyncio.to_thread(parse_chat, body, self._service.limits)
        self._service.refuse(chat)
        reply = self._envelope(chat, wire)
        respond = self._stream if chat.stream else self._whole
        return respond(chat, wire, reply)

    def _envelope(self, chat: ChatRequest, wire: "_Wire") -> Envelope:
        """Return the form of the reply; a header and the reply say which fields were lowered."""
        clamped = clamped_fields(chat, self._service.limits)
        if clamped:
            self._service.metrics.count("clamped_total")
            fields = [f"{name}={field['used']}" for name, field in clamped.items()]
            wire.headers["x-groundtune-clamped"] = ", ".join(fields)
        return Envelope(self._service.model, clamped=clamped, usage=chat.with_usage)

    async def _whole(self, chat: ChatRequest, wire: "_Wire", reply: Envelope) -> _Finish:
        """Answer the request, and return a function that sends the reply."""
        result = await self._service.answer(chat, None)
        return lambda: wire.json(200, reply.completion(result))

    async def _stream(self, chat: ChatRequest, wire: "_Wire", reply: Envelope) -> _Finish:
        """Answer the request and stream the text; return a function that sends the rest."""
        pieces: asyncio.Queue[tuple[int, str] | None] = asyncio.Queue()
        first_sent = set[int]()
        work = asyncio.ensure_future(
            self._service.answer(chat, lambda index, text: pieces.put_nowait((index, text)))
        )
        work.add_done_callback(lambda _: pieces.put_nowait(None))
        try:
            while (piece := await pieces.get()) is not None:
                index, text = piece
                if index not in first_sent:
                    first_sent.add(index)
                    await wire.event(reply.opening(index))
                await wire.event(reply.text(index, text))
            result: ChatResult = await work
        finally:
            await _cancel(work)
        for index in set(range(len(result.replies))) - first_sent:
            await wire.event(reply.opening(index))
        closing = list(reply.closing(result))

        async def finish() -> None:
            for chunk in closing:
                await wire.event(chunk)
            await wire.end()

        return finish


class _Wire:
    """The connection; the form of an error depends on what was already sent."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.headers: dict[str, str] = {}
        """Extra headers of the reply."""
        self._has_begun = False
        self._over = False

    async def json(self, status: int, body: dict[str, Any], **headers: str) -> None:
        """Send a complete JSON response."""
        data = json_of(body, ascii=True).encode()
        about = {"content-type": "application/json", "content-length": str(len(data))}
        self._has_begun = self._over = True
        await self._start(status, about | headers)
        await self._send({"type": "http.response.body", "body": data})

    async def event(self, body: dict[str, Any]) -> None:
        """Send a server-sent event; the first one starts the stream."""
        if not self._has_begun:
            self._has_begun = True
            await self._start(200, _EVENTS)
        await self._write(b"data: " + json_of(body, ascii=True).encode() + b"\n\n")

    async def end(self) -> None:
        """Send the end of the stream."""
        await self._write(b"data: [DONE]\n\n", more=False)

    async def fail(self, error: ApiError) -> None:
        """Send the error as a response or, within a stream, as its last event."""
        if self._over:
            return
        if self._has_begun:
            await self.event(error.body)
            await self._write(b"", more=False)
            return
        close = {"connection": "close"} if error.status in (408, 413) else {}
        await self.json(error.status, error.body, **error.headers, **close)

    async def _start(self, status: int, headers: Mapping[str, str]) -> None:
        all_headers = {**self.headers, **headers}
        pairs = [(name.lower().encode(), value.encode()) for name, value in all_headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})

    async def _write(self, data: bytes, *, more: bool = True) -> None:
        self._over = not more
        await self._send({"type": "http.response.body", "body": data, "more_body": more})


def _check_headers(headers: dict[bytes, bytes], max_bytes: int) -> None:
    kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if kind != b"application/json":
        # a page of another site can't send this type without a CORS preflight
        message = "The Content-Type must be application/json."
        raise ApiError("unsupported_media_type", message)
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > max_bytes:
        raise _too_large(max_bytes)


async def _read_body(receive: Receive, max_bytes: int, slot: Slot) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HungUp
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        slot.take(len(chunk))
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _too_large(max_bytes: int) -> ApiError:
    return ApiError("body_too_large", f"The body has more than {max_bytes:,} bytes.")


async def _until_gone(work: Coroutine[Any, Any, T], receive: Receive) -> T:
    """Return the work's result. Raises HungUp if the client disconnects first."""
    task = asyncio.ensure_future(work)
    disconnect = asyncio.ensure_future(_wait_for_disconnect(receive))
    try:
        await asyncio.wait({task, disconnect}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise HungUp
        return await task
    finally:
        await _cancel(task)
        await _cancel(disconnect)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cancel(task: "asyncio.Future[Any]") -> None:
    """Cancel a task, wait for its end and ignore its result."""
    if not task.done():
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.exception()
