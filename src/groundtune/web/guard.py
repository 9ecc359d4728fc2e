"""ASGI middleware: refuses other sites and large bodies, and sets the security headers.

A state-changing request must come from this site's own pages. `Sec-Fetch-Site` says so in every
current browser; in older ones the `Origin` header must name this host (OWASP, Cross-Site Request
Forgery Prevention, "Fetch Metadata headers"). Programs that send neither aren't browsers.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from groundtune.hosts import host_of, is_this_machine
from groundtune.web.errors import WebError

LARGEST_BODY = 4 * 2**20
"""Bytes of a request."""
_SAFE = frozenset({"GET", "HEAD"})
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]


class Guard:
    """Wraps the application, which is for this machine only: the Host header must say so.

    Otherwise a page of another site could reach the server by DNS rebinding.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with the error."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        try:
            _admit(scope["method"], list(scope["headers"]))
        except WebError as error:
            await error.response()(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)


def _admit(method: str, given: list[tuple[bytes, bytes]]) -> None:
    """Raise WebError for a request of another host or site, or one that is too large."""
    headers = dict(given)
    host = headers.get(b"host", b"").decode("latin-1")
    if not _is_ours(given):
        raise WebError(
            403,
            "The app answers only requests to this machine.",
            f"host {host[:100]!r}",
            "Open the address that `groundtune annotate` printed.",
        )
    if method in _SAFE:
        return
    if not _is_own(headers, host):
        raise WebError(
            403,
            "The request comes from another site.",
            "Sec-Fetch-Site or Origin",
            "Use the app's own pages.",
        )
    length = headers.get(b"content-length", b"")
    if not length.isdigit() or int(length) > LARGEST_BODY:
        raise WebError(
            413,
            f"The request has no length, or more than {LARGEST_BODY:,} bytes.",
            "Content-Length",
            "Send fewer events at once.",
        )


def _is_ours(headers: list[tuple[bytes, bytes]]) -> bool:
    try:
        return is_this_machine(host_of(headers))
    except ValueError:
        return False


def _is_own(headers: dict[bytes, bytes], host: str) -> bool:
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site == b"same-origin"
    origin = headers.get(b"origin")
    return origin is None or origin.decode("latin-1").partition("://")[2] == host
