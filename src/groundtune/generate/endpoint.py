"""Settings of an OpenAI-compatible endpoint: servers, limits, and the spelling of its name.

The key comes from an environment variable and is sent in a header, never in a message or log.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from groundtune.errors import UserError
from groundtune.records import Record

CHAT = "/chat/completions"
"""The path of the requests, below a base URL."""
_SPELLING = re.compile(r"openai:(?P<model>.+?)@(?P<urls>https?://.+)")


class EndpointLimits(Record):
    """Concurrency, rate, timeouts and retries of an endpoint."""

    key_variable: str = "GROUNDTUNE_API_KEY"
    """Environment variable that holds the key; without it none is sent."""
    limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the server calls the most new tokens."""
    concurrency: int = Field(default=16, ge=1, le=1024)
    """Requests in flight at a time, over all URLs."""
    requests_per_minute: float = Field(default=0, ge=0)
    """The most requests begun per minute at each URL; 0 for no limit."""
    tries: int = Field(default=6, ge=1)
    """How often a request is sent before it fails."""
    first_wait_s: float = Field(default=0.5, gt=0)
    """Before the second try; it doubles with each, with up to so much more at random."""
    longest_wait_s: float = Field(default=120, gt=0)
    """Also the most that a Retry-After is obeyed."""
    timeout_s: float = Field(default=300, gt=0)
    """The longest silence of a server."""


class EndpointSettings(EndpointLimits):
    """The model, its servers, and the limits of requests to them."""

    model: str
    urls: tuple[str, ...] = Field(min_length=1)
    """Base URLs, as the official client takes them: http://127.0.0.1:8000/v1."""


def parse_endpoint(name: str) -> EndpointSettings:
    """Return the settings of openai:MODEL@URL, or openai:MODEL@URL,URL for several servers.

    Raises:
        UserError: another spelling, or `base_url` refuses a URL.
    """
    match = _SPELLING.fullmatch(name)
    if match is None:
        raise UserError(
            "The endpoint's name can't be read.",
            name,
            "Write openai:MODEL@URL, as in openai:Qwen/Qwen2.5-VL-7B-Instruct@"
            "http://127.0.0.1:8000/v1.",
        )
    return EndpointSettings(model=match["model"], urls=base_urls(match["urls"]))


def base_urls(text: str) -> tuple[str, ...]:
    """Return the base URLs that are listed with commas; one without a path gets /v1.

    Raises:
        UserError: a URL isn't one, or holds a password or a query.
    """
    return tuple(_base_url(url.strip()) for url in text.split(","))


def _base_url(text: str) -> str:
    path = plain_url(text)
    url = text.rstrip("/").removesuffix(CHAT)
    return url if path.strip("/") else f"{url}/v1"


def plain_url(text: str) -> str:
    """Return the path of a URL that may be written into results.

    Raises:
        UserError: it isn't one, or holds a password or a query.
    """
    wrong = UserError("This is not a base URL.", text, "Write one like http://127.0.0.1:8000/v1.")
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise wrong from error
    if parts.username or parts.password or parts.query:
        raise UserError(
            "The URL holds a password or a query, which would be written into results.",
            f"{parts.scheme}://...{parts.hostname}",
            "Put the key into the environment variable GROUNDTUNE_API_KEY.",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise wrong
    return parts.path


def read_key(settings: EndpointSettings) -> str:
    """Return the key, empty if there is none.

    Raises:
        UserError: the variable holds what no header can.
    """
    key = os.environ.get(settings.key_variable, "").strip()
    if not key.isascii() or not (key or "x").isprintable():
        raise UserError(
            "The key holds characters that no HTTP header can.",
            settings.key_variable,
            "Set it again, without quotes and line breaks.",
        )
    return key


def servers_for(urls: Sequence[str], about: str) -> tuple[str, ...]:
    """Return all base URLs, first the one that requests about this go to.

    What a request is about (an image's hash) picks the server, so that the server's prefix cache
    finds the image again.
    """
    place = int(hashlib.sha256(about.encode()).hexdigest()[:8], 16) % len(urls)
    return (*urls[place:], *urls[:place])
