"""From a project to a running server."""

import socket

import uvicorn

from groundtune.errors import UserError
from groundtune.pipeline.annotate.project import Project
from groundtune.timed_http import Refusal, TimedProtocol
from groundtune.web.access import Door
from groundtune.web.app import build_app
from groundtune.web.errors import WebError
from groundtune.web.words import language_of, words_of


def listen(port: int, host: str = "127.0.0.1") -> socket.socket:
    """Return the socket that the server accepts on.

    Raises:
        UserError: the port is taken, or there is no such port or address.
    """
    if not 0 <= port <= 65_535:
        raise UserError("There is no such port.", f"--port {port}", "Give 0 to 65535.")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise UserError(
            f"The app can't listen there: {(error.strerror or str(error)).partition(' (')[0]}.",
            f"{host}:{port}",
            "Stop what listens there, or choose another --port (0 takes any) or --host.",
        ) from error


def address_of(listening: socket.socket) -> str:
    """The address of a socket's pages, from this machine."""
    name = listening.getsockname()
    host, port = str(name[0]), int(name[1])
    reachable_host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{reachable_host}]' if ':' in reachable_host else reachable_host}:{port}/"


def build_config(
    project: Project, door: Door, *, port: int = 0, log_level: str = "warning"
) -> uvicorn.Config:
    """Return the settings of the server; the port is used if it is run without a socket."""
    return uvicorn.Config(
        build_app(project, door),
        http=WebProtocol,
        port=port,
        log_level=log_level,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # `Door.proxies` says which are believed
        ws="none",
        timeout_graceful_shutdown=10,
    )


def run(project: Project, door: Door, listening: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    uvicorn.Server(build_config(project, door)).run(sockets=[listening])


class WebProtocol(TimedProtocol):
    """A connection whose refusals are errors as the page shows them."""

    def too_slow(self) -> Refusal:
        """A timeout's error."""
        return self._refusal(WebError(408, "slow_headers", "request", seconds=self.header_seconds))

    def not_http(self, why: str) -> Refusal:
        """The error of a request that is not HTTP."""
        return self._refusal(WebError(400, "no_http", "request", why=why.rstrip(".")))

    def _refusal(self, error: WebError) -> Refusal:
        # Headers of this request, or of the last one, as far as they came.
        words = words_of(language_of(getattr(self, "headers", None) or []))
        return Refusal(error.status, bytes(error.response(words).body))
