"""A client of OpenAI-compatible endpoints: routes, paces and repeats requests.

It knows HTTP and nothing of prompts. Several base URLs are servers of one model: what a request is
about (a picture's hash) picks one, so that the server's prefix cache finds the picture again. The
key comes from an environment variable, goes into a header, and stands in no message.
"""

import asyncio
import hashlib
import json
import os
import random
import re
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
from pydantic import Field

from groundtune.errors import UserError
from groundtune.records import Record

_SPELLING = re.compile(r"openai:(?P<model>.+?)@(?P<urls>https?://.+)")
_AGAIN = frozenset({408, 425, 429})
"""Statuses below 500 after which the same request may succeed; all from 500 on may."""


class EndpointSettings(Record):
    """Which servers are asked for which model, and how hard."""

    model: str
    urls: tuple[str, ...] = Field(min_length=1)
    """Base URLs, as the official client takes them: http://127.0.0.1:8000/v1."""
    key_variable: str = "GROUNDTUNE_API_KEY"
    """Environment variable that holds the key; without it none is sent."""
    concurrency: int = Field(default=16, ge=1)
    """Requests under way at a time, over all URLs."""
    requests_per_minute: float = Field(default=0, ge=0)
    """The most requests begun in a minute at each URL; 0 for no limit."""
    tries: int = Field(default=6, ge=1)
    """How often a request is sent before the work stops."""
    first_wait_s: float = Field(default=0.5, gt=0)
    """Before the second try; it doubles with each, and a random half of it is left out."""
    longest_wait_s: float = Field(default=120, gt=0)
    """Also the most that a Retry-After is obeyed."""
    timeout_s: float = Field(default=300, gt=0)
    """The longest silence of a server."""


def parse_endpoint(name: str) -> EndpointSettings:
    """Settings of openai:MODEL@URL, or openai:MODEL@URL,URL for several servers of one model.

    A URL without a path gets /v1.

    Raises:
        UserError: another spelling, or a URL with a password in it.
    """
    match = _SPELLING.fullmatch(name)
    if match is None:
        raise UserError(
            "The endpoint's name can't be read.",
            name,
            "Write openai:MODEL@URL, as in openai:Qwen/Qwen2.5-VL-7B-Instruct@"
            "http://127.0.0.1:8000/v1.",
        )
    urls = tuple(_base_url(url) for url in match["urls"].split(","))
    return EndpointSettings(model=match["model"], urls=urls)


def _base_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.username or parts.password:
        raise UserError(
            "The URL holds a user name or a password, which would be written into results.",
            f"{parts.scheme}://...@{parts.hostname}",
            "Put the key into the environment variable GROUNDTUNE_API_KEY.",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise UserError("This is not a base URL.", text, "Write one like http://127.0.0.1:8000/v1.")
    return text.rstrip("/") if parts.path.strip("/") else f"{text.rstrip('/')}/v1"


def servers_for(urls: Sequence[str], about: str) -> tuple[str, ...]:
    """All base URLs, the one that requests about this belong to first."""
    place = int(hashlib.sha256(about.encode()).hexdigest()[:8], 16) % len(urls)
    return (*urls[place:], *urls[:place])


class Endpoint:
    """Sends requests to the servers of one model; to be used within one event loop.

    Raises:
        UserError: the key's variable holds what no header can.
    """

    def __init__(self, settings: EndpointSettings) -> None:
        self.settings = settings
        self._key = os.environ.get(settings.key_variable, "").strip()
        if not self._key.isascii() or not (self._key or "x").isprintable():
            raise UserError(
                "The key holds characters that no HTTP header can.",
                settings.key_variable,
                "Set it again, without quotes and line breaks.",
            )
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._client = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(settings.timeout_s, connect=min(20.0, settings.timeout_s)),
            limits=httpx.Limits(max_connections=settings.concurrency),
        )
        self._paces = {url: _Pace(settings.requests_per_minute) for url in settings.urls}
        self._at_once = asyncio.Semaphore(settings.concurrency)

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.aclose()

    async def post(self, path: str, body: Mapping[str, Any], about: str) -> dict[str, Any]:
        """The reply's JSON object. Requests about the same go to the same server.

        Raises:
            UserError: the server refuses the request, or did not answer it in so many tries.
        """
        return await self._repeat("POST", path, body, about)

    def turn(self) -> asyncio.Semaphore:
        """To be held while a body is made and sent, so that few bodies are there at a time."""
        return self._at_once

    async def served(self) -> str:
        """What the first server says of the model: the root of its id, else the id.

        Empty where the server lists no models, or not this one (it may know other names for it).

        Raises:
            UserError: the server can't be reached or refuses the key.
        """
        try:
            listed = await self._repeat("GET", "/models", None, "")
        except UserError as error:
            if isinstance(error, _Refused) and error.status not in (401, 403):
                return ""
            raise
        models = cast("list[Any]", listed.get("data") or [])
        for each in models:
            if isinstance(each, dict):
                model = cast("dict[str, Any]", each)
                if model.get("id") == self.settings.model:
                    return str(model.get("root") or model["id"])
        return ""

    async def _repeat(
        self, method: str, path: str, body: Mapping[str, Any] | None, about: str
    ) -> dict[str, Any]:
        own, moved = self.settings, 0
        urls = servers_for(own.urls, about)
        why = ""
        for attempt in range(own.tries):
            url = urls[moved % len(urls)]
            wait = min(own.longest_wait_s, own.first_wait_s * 2**attempt)
            wait *= random.uniform(0.5, 1)
            await self._paces[url].turn()
            try:
                response = await self._client.request(method, url + path, json=body)
            except httpx.TransportError as error:
                why = f"{type(error).__name__} {error}".strip()
                moved += 1  # another server of the same model may be up
                await self._rest(attempt, wait)
                continue
            reply = self._read(response)
            if isinstance(reply, dict):
                return reply
            why = reply
            asked = _retry_after(response)
            if asked is not None:
                wait = min(own.longest_wait_s, asked)
                self._paces[url].hold(wait)
            await self._rest(attempt, wait)
        raise UserError(
            f"The endpoint did not answer in {own.tries} tries: {self._clean(why)}",
            f"{urls[0]}{path}",
            "Start the server, check the URL, or come back later: what is done is kept.",
        )

    async def _rest(self, attempt: int, seconds: float) -> None:
        if attempt + 1 < self.settings.tries:
            await asyncio.sleep(seconds)

    def _read(self, response: httpx.Response) -> dict[str, Any] | str:
        """The reply's object, or why the request must be sent again. Raises UserError if never."""
        if response.status_code in _AGAIN or response.status_code >= 500:
            return f"HTTP {response.status_code} {message_of(response)}".strip()
        if not response.is_success:
            raise self._refused(response)
        try:
            found: object = response.json()
        except ValueError:
            return "the reply is not JSON"
        if not isinstance(found, dict):
            return "the reply is not a JSON object"
        reply = cast("dict[str, Any]", found)
        return f"error {reply['error']}" if reply.get("error") else reply

    def _refused(self, response: httpx.Response) -> "_Refused":
        status = response.status_code
        fixes = {
            401: f"Set the environment variable {self.settings.key_variable} to a valid key.",
            403: f"Set the environment variable {self.settings.key_variable} to a key that may.",
            404: "Check the model's name and the base URL, which often ends in /v1.",
        }
        said = self._clean(message_of(response))
        return _Refused(
            f"The endpoint refuses the request (HTTP {status}): {said}",
            str(response.request.url),
            fixes.get(status, "Change what the server complains about."),
            status,
        )

    def _clean(self, text: str) -> str:
        """Some servers repeat the key in their complaint."""
        return text.replace(self._key, "[key]") if self._key else text


class _Refused(UserError):
    def __init__(self, what: str, where: str, fix: str, status: int) -> None:
        super().__init__(what, where, fix)
        self.status = status


class _Pace:
    """When the next request to a server may begin."""

    def __init__(self, per_minute: float) -> None:
        self._gap_s = 60 / per_minute if per_minute else 0.0
        self._next = 0.0

    async def turn(self) -> None:
        """Waits for it."""
        now = time.monotonic()
        start = max(now, self._next)
        self._next = max(self._next, start + self._gap_s)
        if start > now:
            await asyncio.sleep(start - now)

    def hold(self, seconds: float) -> None:
        """No request for so long."""
        self._next = max(self._next, time.monotonic() + seconds)


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that the server asks for, given as such or as a date."""
    text = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def message_of(response: httpx.Response) -> str:
    """What the server says of its error, in one line of at most 300 characters."""
    text = response.text
    try:
        found: Any = json.loads(text)
    except ValueError:
        found = None
    if isinstance(found, dict):
        inner: Any = cast("dict[str, Any]", found).get("error", cast("Any", found))
        if isinstance(inner, dict):
            inner = cast("dict[str, Any]", inner).get("message", cast("Any", inner))
        text = str(inner)
    return " ".join(text.split())[:300]
