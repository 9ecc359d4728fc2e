"""From a project to a running server on this machine."""

import socket

import uvicorn

from groundtune.errors import UserError
from groundtune.pipeline.annotate.project import Project
from groundtune.web.access import Door
from groundtune.web.app import build_app


def listen(port: int) -> socket.socket:
    """Return the socket that the server accepts on, of this machine's own address.

    Raises:
        UserError: the port is taken, or there is no such port.
    """
    if not 0 <= port <= 65_535:
        raise UserError("There is no such port.", f"--port {port}", "Give 0 to 65535.")
    try:
        return socket.create_server(("127.0.0.1", port), backlog=512)
    except OSError as error:
        raise UserError(
            f"The app can't listen there: {(error.strerror or str(error)).partition(' (')[0]}.",
            f"127.0.0.1:{port}",
            "Stop what listens there, or choose another --port (0 takes any).",
        ) from error


def run(project: Project, door: Door, listening: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    config = uvicorn.Config(
        build_app(project, door),
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=10,
    )
    uvicorn.Server(config).run(sockets=[listening])
