"""The annotation app on a real socket in a thread."""

import threading
from collections.abc import Generator
from contextlib import contextmanager

import httpx
import uvicorn

from groundtune.pipeline.annotate.project import Project
from groundtune.web.access import Door
from groundtune.web.server import build_config

HTTP = httpx.Client(verify=False, trust_env=False, timeout=20)


@contextmanager
def app_of(
    project: Project, person: str = "ada", port: int = 0, door: Door | None = None
) -> Generator[str]:
    """The base URL of the running app; without a door, of the app for one person."""
    config = build_config(project, door or Door(person=person), port=port, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the app didn't start"
        threading.Event().wait(0.005)
    found = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{found}"
    finally:
        server.should_exit = True
        thread.join(15)
        assert not thread.is_alive()
