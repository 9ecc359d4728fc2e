"""A real HTTP server on this machine that has files, and whatever faults a test wants of it."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Asked:
    """A request: its path, and from which byte on."""

    path: str
    start: int


@dataclass
class Sent:
    """What the server answers."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    cut: int | None = None
    """The connection ends after so many bytes of the body."""
    hangs: bool = False
    """It stays open then, and nothing more comes."""
    says_length: bool = True


@dataclass
class Server:
    url: str
    files: dict[str, bytes]
    """By path."""
    asked: list[Asked] = field(default_factory=list[Asked])
    faults: list[Callable[[Asked, bytes], Sent]] = field(
        default_factory=list[Callable[[Asked, bytes], Sent]]
    )
    """What the next requests get instead, one each; of their path and file."""

    def answer(self, asked: Asked) -> Sent:
        self.asked.append(asked)
        body = self.files.get(asked.path, b"")
        if self.faults:
            return self.faults.pop(0)(asked, body)
        if asked.path not in self.files:
            return Sent(b"not here", status=404)
        return piece(asked, body)


def piece(asked: Asked, body: bytes) -> Sent:
    """A file from the byte on that was asked for."""
    if asked.start == 0:
        return Sent(body)
    if asked.start >= len(body):
        return Sent(b"", status=416)
    span = f"bytes {asked.start}-{len(body) - 1}/{len(body)}"
    return Sent(body[asked.start :], status=206, headers={"content-range": span})


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Server]:
    wake = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))
            sent = server.answer(Asked(self.path, int(found.group(1)) if found else 0))
            with suppress(OSError):  # the client may have gone
                self._send(sent)
            self.close_connection = True

        def _send(self, sent: Sent) -> None:
            self.send_response(sent.status)
            for name, value in sent.headers.items():
                self.send_header(name, value)
            if sent.says_length:
                self.send_header("content-length", str(len(sent.body)))
            self.end_headers()
            self.wfile.write(sent.body[: sent.cut])
            if sent.hangs:
                wake.wait(60)

        def log_message(self, format: str, *args: object) -> None:
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.daemon_threads = True
    server = Server(f"http://127.0.0.1:{web.server_address[1]}", files)
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        wake.set()
        web.shutdown()
        thread.join()
        web.server_close()
