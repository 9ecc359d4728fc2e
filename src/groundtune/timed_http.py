"""HTTP/1.1 of both servers: a connection of uvicorn with a time limit for headers.

uvicorn has none: a client that sends a header a minute holds its connection for ever.
"""

import asyncio
import socket
from typing import NamedTuple

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol


class Refusal(NamedTuple):
    """An answer that is given without the application."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Besides those of any JSON."""


class TimedProtocol(H11Protocol):
    """A connection that is closed unless a request's headers arrive in `header_seconds`.

    The time starts with the connection, or on a kept-alive connection with the first byte of the
    next request. A client that has begun a request gets 408. A server says in which form.
    """

    header_seconds = 10.0
    _timer: asyncio.TimerHandle | None = None
    _has_begun = False

    def too_slow(self) -> Refusal:
        """The reply to a client whose headers took too long."""
        raise NotImplementedError

    def not_http(self, why: str) -> Refusal:
        """The reply to a client that doesn't speak HTTP."""
        raise NotImplementedError

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time."""
        super().connection_made(transport)
        _send_at_once(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Stop the time if these bytes complete the headers."""
        self._has_begun = True
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Start the time for a next request that has already begun."""
        super().on_response_complete()
        if self.conn.trailing_data[0]:
            self._has_begun = True
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time."""
        self._stop()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse anything that is not HTTP."""
        self._refuse(self.not_http(msg))

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop()
            self._has_begun = False
        elif self._timer is None and not self.transport.is_closing():
            self._timer = self.loop.call_later(self.header_seconds, self._give_up)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        if not self._has_begun:
            self.transport.close()
            return
        self._refuse(self.too_slow())

    def _refuse(self, refusal: Refusal) -> None:
        """Answer without the application, and close."""
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(refusal.body)).encode()),
            *refusal.headers,
            (b"connection", b"close"),
        ]
        reason = STATUS_PHRASES[refusal.status]
        response = h11.Response(status_code=refusal.status, headers=headers, reason=reason)
        for event in (response, h11.Data(data=refusal.body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def _send_at_once(transport: asyncio.Transport) -> None:
    """Don't hold a reply's body until the client has acknowledged its headers: 40 ms on Linux.

    asyncio asks for this only on sockets that name TCP as their protocol, which those of
    `socket.create_server` don't.
    """
    accepted = transport.get_extra_info("socket")
    if accepted is not None and accepted.family in (socket.AF_INET, socket.AF_INET6):
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
