"""HTTP/1.1 on a socket: uvicorn, with a time limit for headers and errors in the API's form."""

import secrets
import socket

import uvicorn

from groundtune.serve.app import build_app
from groundtune.serve.errors import ApiError
from groundtune.serve.service import Service
from groundtune.store.json_writing import json_of
from groundtune.timed_http import Refusal, TimedProtocol

_GRACE_S = 10
"""Seconds that running requests have when the server stops."""


def build_config(
    service: Service, *, token: str, port: int = 8000, log_level: str = "warning"
) -> uvicorn.Config:
    """Return the settings of the server; the port is used if it is run without a socket."""
    seconds = service.limits.header_seconds

    class Protocol(ApiProtocol):
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


class ApiProtocol(TimedProtocol):
    """A connection whose refusals have the API's form."""

    def too_slow(self) -> Refusal:
        """A timeout's error."""
        message = f"The headers did not arrive in {self.header_seconds:g} seconds."
        return _refusal(ApiError("header_timeout", message))

    def not_http(self, why: str) -> Refusal:
        """The error of a request that is not HTTP."""
        return _refusal(ApiError("invalid_http", why))


def _refusal(error: ApiError) -> Refusal:
    request_id = f"req_{secrets.token_hex(16)}".encode()
    body = json_of(error.body, ascii=True).encode()
    return Refusal(error.status, body, ((b"x-request-id", request_id),))
