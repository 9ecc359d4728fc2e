"""HTTP/1.1 on a socket: uvicorn, with a time limit for headers and errors in the API's form."""

import asyncio
import secrets
import socket

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from groundtune.serve.app import build_app
from groundtune.serve.errors import ApiError
from groundtune.serve.service import Service
from groundtune.store.json_writing import json_of

_GRACE_S = 10
"""Seconds that running requests have when the server stops."""


def build_config(
    service: Service, *, token: str, port: int = 8000, log_level: str = "warning"
) -> uvicorn.Config:
    """Return the settings of the server; the port is used if it is run without a socket."""
    seconds = service.limits.header_seconds

    class Protocol(TimedProtocol):
        header_seconds = seconds

    return uvicorn.Config(
        build_app(service, token=token),
        http=Protocol,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_keep_alive=15,
        timeout_graceful_shutdown=_GRACE_S,
        port=port,
        log_level=log_level,
    )


def run(service: Service, listening: socket.socket, token: str) -> None:
    """Serve until Ctrl-C or SIGTERM; running requests have ten seconds to end."""
    uvicorn.Server(build_config(service, token=token)).run(sockets=[listening])


class TimedProtocol(H11Protocol):
    """A connection that is closed unless a request's headers arrive in `header_seconds`.

    The time starts with the connection, or on a kept-alive connection with the first byte of the
    next request. A client that has begun a request gets 408.
    """

    header_seconds = 10.0
    _timer: asyncio.TimerHandle | None = None
    _began = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Stop the time if these bytes complete the headers."""
        self._began = True
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Start the time for a next request that has already begun."""
        super().on_response_complete()
        if self.conn.trailing_data[0]:
            self._began = True
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time."""
        self._stop()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse anything that is not HTTP."""
        self._refuse(ApiError("invalid_http", msg))

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop()
            self._began = False
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
        if not self._began:
            self.transport.close()
            return
        message = f"The headers did not arrive in {self.header_seconds:g} seconds."
        self._refuse(ApiError("header_timeout", message))

    def _refuse(self, error: ApiError) -> None:
        """Answer without the application, and close."""
        body = json_of(error.body, ascii=True).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"x-request-id", f"req_{secrets.token_hex(16)}".encode()),
            (b"connection", b"close"),
        ]
        reason = STATUS_PHRASES[error.status]
        response = h11.Response(status_code=error.status, headers=headers, reason=reason)
        for event in (response, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
