"""ASGI middleware: checks the token and the host, adds headers, counts requests."""

import hmac
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from groundtune.serve.errors import ApiError
from groundtune.serve.metrics import Metrics

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
PATHS = frozenset({"/", "/v1/chat/completions", "/v1/models", "/health", "/metrics"})
"""Paths that are counted by name; a client's inventions are counted together."""
_OPEN = frozenset({"/", "/chat.js", "/chat.css", "/health", "/openapi.json", "/favicon.ico"})
"""What needs no token: the page, which asks for it, and whether the server is up."""
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


class Guard:
    """Wraps the application.

    Without a token the server is for this machine only: the Host header must then be localhost, or
    a page of another site could reach the server by DNS rebinding.
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
        counted = path if path in PATHS else "other"

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS]
                status = str(message["status"])
                self._metrics.count("requests_total", path=counted, status=status)
            await send(message)

        try:
            self._admit(path, dict(scope["headers"]))
        except ApiError as error:
            refusal = JSONResponse(error.body, error.status, headers=error.headers)
            await refusal(scope, receive, watched)
            return
        await self._app(scope, receive, watched)

    def _admit(self, path: str, headers: dict[bytes, bytes]) -> None:
        if not self._token:
            host = urlsplit(f"//{headers.get(b'host', b'').decode('latin-1')}")
            if _name(host.netloc) not in LOOPBACK:
                raise ApiError(
                    403,
                    "Without a token only requests to localhost are answered.",
                    code="wrong_host",
                )
        elif path not in _OPEN:
            kind, _, given = headers.get(b"authorization", b"").partition(b" ")
            right = hmac.compare_digest(given.strip(), self._token)
            if kind.lower() != b"bearer" or not right:
                raise ApiError(
                    401,
                    "The token is missing or wrong: send Authorization: Bearer TOKEN.",
                    type="authentication_error",
                    code="invalid_api_key",
                )


def _name(netloc: str) -> str:
    """A host without its port, an IPv6 address without its brackets."""
    if netloc.startswith("["):
        return netloc[1:].partition("]")[0].lower()
    return netloc.partition(":")[0].lower()
