"""ASGI middleware: checks the host and the token, adds headers, counts requests."""

import hmac
import re
import secrets

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from groundtune.hosts import host_of, is_this_machine
from groundtune.serve.errors import ApiError
from groundtune.serve.metrics import Metrics

PATHS = frozenset(
    {
        "/",
        "/v1/chat/completions",
        "/v1/models",
        "/v1/reward",
        "/v1/thumbs",
        "/health",
        "/metrics",
    }
)
"""Paths that are counted by name; all other paths are counted together."""
REQUEST_ID = "groundtune.request_id"
"""Key of a scope: the request's id, which is in the reply's header x-request-id and in the log."""
_OPEN = frozenset({"/", "/chat.js", "/chat.css", "/health", "/openapi.json", "/favicon.ico"})
"""Paths without a token: the page, which asks for it, and the health check."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_PLAIN_ID = re.compile(r"[\w.:/+=-]{1,128}", re.A)


class Guard:
    """Wraps the application.

    Without a token, the server is only for this machine: the Host header must be localhost, or a
    page of another site could reach the server by DNS rebinding.
    """

    def __init__(self, app: ASGIApp, *, token: str, metrics: Metrics) -> None:
        self._app = app
        self._token = token.encode()
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with the error."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        path_label = path if path in PATHS else "other"
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        scope[REQUEST_ID] = request_id(headers)
        extra_headers = [*_HEADERS, (b"x-request-id", scope[REQUEST_ID].encode())]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *extra_headers]
                status = str(message["status"])
                self._metrics.count("requests_total", path=path_label, status=status)
            await send(message)

        try:
            self._admit(path, headers)
        except ApiError as error:
            refusal = JSONResponse(error.body, error.status, headers=error.headers)
            await refusal(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)

    def _admit(self, path: str, headers: list[tuple[bytes, bytes]]) -> None:
        try:
            host = host_of(headers)
        except ValueError as error:
            raise ApiError("invalid_host", "The Host header is not a valid host.") from error
        if not self._token and not is_this_machine(host):
            message = "Without a token only requests to localhost are answered."
            raise ApiError("wrong_host", message)
        if self._token and path not in _OPEN:
            kind, _, token = dict(headers).get(b"authorization", b"").partition(b" ")
            right = hmac.compare_digest(token.strip(), self._token)
            if kind.lower() != b"bearer" or not right:
                message = "The token is missing or wrong: send Authorization: Bearer TOKEN."
                raise ApiError("invalid_api_key", message)


def request_id(headers: list[tuple[bytes, bytes]]) -> str:
    """Return the id that the client gave in x-request-id, if it is plain, or a new one."""
    client_id = dict(headers).get(b"x-request-id", b"").decode("latin-1")
    return client_id if _PLAIN_ID.fullmatch(client_id) else f"req_{secrets.token_hex(16)}"
