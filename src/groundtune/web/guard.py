"""ASGI middleware: refuses other sites, large and slow bodies, and sets the security headers.

Without login the app is for this machine only: the Host header must say so, or a page of another
site could reach it by DNS rebinding, and no proxy may pass requests on, or everybody who reaches
the proxy would be its owner. With login any host may be asked for; cookies are the host's.

A state-changing request must come from this site's own pages. `Sec-Fetch-Site` says so in every
current browser; in older ones the `Origin` header must name this host (OWASP, Cross-Site Request
Forgery Prevention, "Fetch Metadata headers"). Programs that send neither aren't browsers.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from groundtune.hosts import host_of, is_this_machine
from groundtune.web.access import Door
from groundtune.web.errors import WebError
from groundtune.web.words import language_of, words_of

LARGEST_BODY = 4 * 2**20
"""Bytes of a request with events."""
LARGEST_FORM = 64 * 2**10
"""Bytes of any other request."""
BODY_SECONDS = 30
"""How long a request's body may take; the browser sends it again."""
_EVENTS = "/api/events"
_SAFE = frozenset({"GET", "HEAD"})
_FETCHED = ("/api/", "/images/")
_OTHERS = (b"cross-site", b"same-site")
_PROXIED = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"})
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {frames}; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]


class AppGuard:
    """Wraps the application; `door` says how people reach it."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door
        frames = " ".join(["'self'", *door.frames]) if door.frames else "'none'"
        policy = _POLICY.format(frames=frames).encode()
        self._headers = [(b"content-security-policy", policy), *_HEADERS]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with the error."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *self._headers]
            await send(message)

        headers = list(scope["headers"])
        try:
            self._admit(scope["method"], scope["path"], headers)
            whole = receive if scope["method"] in _SAFE else await _whole(scope["path"], receive)
        except WebError as error:
            words = words_of(language_of(headers))
            await error.response(words)(scope, receive, with_headers)
            return
        await self._app(scope, whole, with_headers)

    def _admit(self, method: str, path: str, header_list: list[tuple[bytes, bytes]]) -> None:
        """Raise WebError for a request of another host or site, or one that is too large."""
        headers = dict(header_list)
        if not self._door.asks:
            _refuse_others(headers, header_list)
        if method in _SAFE:
            # Pages may be linked from anywhere; what they fetch may not.
            if path.startswith(_FETCHED) and headers.get(b"sec-fetch-site") in _OTHERS:
                raise WebError(403, "other_site", "Sec-Fetch-Site")
            return
        if not self._is_own(headers):
            raise WebError(403, "other_site", "Sec-Fetch-Site, Origin")
        length = headers.get(b"content-length", b"")
        largest = LARGEST_BODY if path == _EVENTS else LARGEST_FORM
        if not _is_length(length, largest):
            raise WebError(413, "too_large", "Content-Length", bytes=f"{largest:,}")

    def _is_own(self, headers: dict[bytes, bytes]) -> bool:
        site = headers.get(b"sec-fetch-site")
        if site is not None:
            return site == b"same-origin"
        origin = headers.get(b"origin")
        if origin is None:
            return True
        text, host = origin.decode("latin-1"), headers.get(b"host", b"").decode("latin-1")
        return text.partition("://")[2] == host or text == self._door.url


def _is_length(text: bytes, largest: int) -> bool:
    # Python refuses to read numbers of thousands of digits.
    return text.isdigit() and len(text) < 20 and int(text) <= largest


async def _whole(path: str, receive: Receive) -> Receive:
    """Read a body, and return what gives it to the application.

    Raises:
        WebError: it took too long.
    """
    pieces: list[bytes] = []
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                pieces.append(message.get("body", b""))
                if not message.get("more_body"):
                    break
    except TimeoutError as error:
        raise WebError(408, "slow_body", path, seconds=BODY_SECONDS) from error
    messages = [message if message["type"] == "http.disconnect" else _request(b"".join(pieces))]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again


def _request(body: bytes) -> Message:
    return {"type": "http.request", "body": body, "more_body": False}


def _refuse_others(headers: dict[bytes, bytes], header_list: list[tuple[bytes, bytes]]) -> None:
    if not _is_ours(header_list):
        host = headers.get(b"host", b"").decode("latin-1")
        raise WebError(403, "other_host", f"host {host[:100]!r}")
    if _PROXIED & headers.keys():
        raise WebError(403, "proxy", "X-Forwarded-For")


def _is_ours(headers: list[tuple[bytes, bytes]]) -> bool:
    try:
        return is_this_machine(host_of(headers))
    except ValueError:
        return False
