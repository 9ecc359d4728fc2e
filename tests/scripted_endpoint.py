"""An OpenAI-compatible server for tests, on a real socket, that can be told to fail."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]
Fault = Callable[[BaseHTTPRequestHandler], None]


class ScriptedEndpoint:
    """What the server does and what it saw. `faults` are used up first, one a request."""

    def __init__(self, answer: Callable[[Body, int], str]) -> None:
        self.answer = answer
        self.top: Callable[[Body], list[tuple[str, float]]] = lambda body: []
        self.faults: list[Fault] = []
        self.refuse: Callable[[Body], Fault | None] = lambda body: None
        """Which requests it never answers."""
        self.list_models: Fault | None = None
        """Instead of listing `models`."""
        self.models: list[Body] = [{"id": "tiny", "root": "org/tiny-7b"}]
        self.bodies: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.began: list[float] = []
        self.delay_s = 0.0
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self.url = ""
        self.stop: Callable[[], None] = lambda: None

    def reply(self, body: Body) -> Body:
        """As the API answers."""
        choices = [self._choice(body, index) for index in range(body.get("n", 1))]
        tokens = sum(len(c["message"]["content"].split()) + 1 for c in choices)
        usage = {"prompt_tokens": 7, "completion_tokens": tokens, "total_tokens": 7 + tokens}
        return {"id": "x", "model": "tiny", "choices": choices, "usage": usage}

    def _choice(self, body: Body, index: int) -> Body:
        text = self.answer(body, index)
        choice: Body = {"index": index, "message": {"content": text}, "finish_reason": "stop"}
        if body.get("logprobs"):
            top = [{"token": token, "logprob": logp} for token, logp in self.top(body)]
            count = len(text.split()) + 1
            content = [{"token": "x", "logprob": -0.5, "top_logprobs": top}] * count
            choice["logprobs"] = {"content": content}
        return choice

    def serve(self, handler: BaseHTTPRequestHandler, body: Body) -> None:
        """One request."""
        with self._lock:
            self.bodies.append(body)
            self.headers.append(dict(handler.headers))
            self.began.append(time.monotonic())
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            fault = self.faults.pop(0) if self.faults else self.refuse(body)
        try:
            time.sleep(self.delay_s)
            fault(handler) if fault else send(handler, 200, self.reply(body))
        finally:
            with self._lock:
                self._at_once -= 1


def send(
    handler: BaseHTTPRequestHandler,
    status: int,
    body: Body | str | bytes,
    headers: dict[str, str] | None = None,
) -> None:
    """One whole response."""
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    data = text.encode() if isinstance(text, str) else text
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)


def fail(status: int, message: str = "no", headers: dict[str, str] | None = None) -> Fault:
    """A refusal in the API's form."""
    return lambda handler: send(handler, status, {"error": {"message": message}}, headers)


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Closes the connection in the middle of a response."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.close_connection = True


@contextmanager
def running(endpoint: ScriptedEndpoint, port: int = 0) -> Iterator[ScriptedEndpoint]:
    """The server on a port of this machine; `endpoint.url` is its base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            if endpoint.list_models is not None:
                endpoint.list_models(self)
            elif endpoint.models:
                send(self, 200, {"data": endpoint.models})
            else:
                send(self, 404, "nothing here")

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            endpoint.serve(self, json.loads(self.rfile.read(length)))

        def log_message(self, format: str, *args: Any) -> None:
            pass

    connections: list[socket.socket] = []

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def process_request(self, request: Any, client_address: Any) -> None:
            connections.append(request)
            super().process_request(request, client_address)

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # clients that hang up are part of the tests

    server = Server(("127.0.0.1", port), Handler)
    endpoint.url = f"http://127.0.0.1:{server.server_port}/v1"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    endpoint.stop = stop
    try:
        yield endpoint
    finally:
        stop()
