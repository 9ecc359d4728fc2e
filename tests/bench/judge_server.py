"""A real HTTP server on this machine that plays an OpenAI-compatible endpoint."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class ServerReply:
    """What the server answers to a request."""

    text: str | None = "fine"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """Instead of a chat completion."""
    hang_s: float = 0.0
    model: str = "judge-2026-01-01"
    usage: tuple[int, int] | None = None


@dataclass
class Server:
    url: str
    requests: list[dict[str, Any]]
    """The bodies of all requests so far."""
    headers: list[dict[str, str]]
    most_at_once: int = 0


@contextmanager
def served(answer: Callable[[dict[str, Any], int], ServerReply]) -> Iterator[Server]:
    """A server that answers with `answer(body, number)`; number counts requests from 0."""
    lock, wake = threading.Lock(), threading.Event()
    now = 0

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            nonlocal now
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                number = len(server.requests)
                server.requests.append(body)
                server.headers.append({k.lower(): v for k, v in self.headers.items()})
                now += 1
                server.most_at_once = max(server.most_at_once, now)
            reply = answer(body, number)
            wake.wait(reply.hang_s)
            with lock:
                now -= 1
            with suppress(OSError):  # the client may have given up waiting
                self._send(reply)

        def _send(self, reply: ServerReply) -> None:
            data = _completion(reply) if reply.body is None else reply.body
            self.send_response(reply.status if self.path == "/v1/chat/completions" else 404)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.daemon_threads = True
    server = Server(f"http://127.0.0.1:{web.server_address[1]}/v1", [], [])
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        wake.set()
        web.shutdown()
        thread.join()
        web.server_close()


def _completion(reply: ServerReply) -> bytes:
    message = {"role": "assistant", "content": reply.text}
    body: dict[str, Any] = {
        "model": reply.model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    if reply.usage is not None:
        body["usage"] = {"prompt_tokens": reply.usage[0], "completion_tokens": reply.usage[1]}
    return json.dumps(body).encode()
