"""Requests to an OpenAI-compatible endpoint: what is sent, tried again, refused and read."""

import base64
import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Event
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, Field, ValidationError

from groundtune.bench.judge.judge import Request
from groundtune.errors import UserError
from groundtune.records import Record
from groundtune.store.keys import seed_of

AGAIN = frozenset({408, 409, 425, 429})
"""Refusals that waiting may mend, besides those from 500 on."""
REFUSED = {
    401: "The endpoint refuses the key.",
    403: "The endpoint refuses this key or account.",
    404: "The endpoint has no such address or model.",
}
SHOWN = 200
"""Characters of a server's message that an error repeats."""


class Endpoint(Record):
    """An endpoint, the model asked for, and how it is asked."""

    url: str
    """Up to and without "/chat/completions": "https://host/v1"."""
    model: str
    key_variable: str = "GROUNDTUNE_API_KEY"
    """The environment variable that holds the key; unset, no key is sent."""
    temperature: float = Field(default=0.0, ge=0)
    max_tokens: int = Field(default=1024, ge=1)
    """The longest reply."""
    limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the server calls that limit."""
    concurrency: int = Field(default=4, ge=1, le=256)
    """Requests in flight."""
    timeout_s: float = Field(default=120.0, gt=0)
    tries: int = Field(default=6, ge=1)
    """Of one request, the first included."""
    first_wait_s: float = Field(default=1.0, ge=0)
    """Before the second try; doubled each time, up to a quarter more at random."""
    longest_wait_s: float = Field(default=60.0, ge=0)
    """Also where the server asks for more (Retry-After)."""

    def parameters(self) -> dict[str, float | str]:
        """The settings that a reply depends on."""
        return {"temperature": self.temperature, self.limit_field: self.max_tokens}


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A reply as it was served."""

    text: str
    model: str
    finish: str
    tokens_in: int | None
    """As the server counted them; None if it doesn't say."""
    tokens_out: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a request has no reply."""

    why: str


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Body(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    model: str = ""
    usage: _Usage | None = None


class Sender:
    """Sends requests from threads, at most `endpoint.concurrency` at a time.

    Leaving it drops what is in flight; whoever wants those replies takes them from `done` first.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.flight: dict[Future[Completion | Failure], str] = {}
        self._key = _key(endpoint)
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._client = httpx.Client(headers=headers, timeout=endpoint.timeout_s)
        self._pool = ThreadPoolExecutor(endpoint.concurrency, thread_name_prefix="judge")
        self._stop = Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    @property
    def has_room(self) -> bool:
        """Whether one more may be in flight."""
        return len(self.flight) < self.endpoint.concurrency

    def send(self, name: str, request: Request) -> None:
        """Sends a request; `done` gives its outcome under the name."""
        self.flight[self._pool.submit(self._ask, request)] = name

    def done(self) -> Iterator[tuple[str, Completion | Failure | UserError]]:
        """Waits for at least one outcome; those that are there, by name."""
        ended, _ = wait(self.flight, return_when=FIRST_COMPLETED)
        for future in ended:
            name, error = self.flight.pop(future), future.exception()
            if error is not None and not isinstance(error, UserError):
                raise error
            yield name, future.result() if error is None else error

    def _ask(self, request: Request) -> Completion | Failure:
        """Tries until it is answered, can't be, or was tried often enough."""
        body = _body(request, self.endpoint)
        outcome: Completion | Failure | _Again = Failure(why="it was stopped")
        for attempt in range(self.endpoint.tries):
            if isinstance(outcome, _Again) and self._stop.wait(
                _pause(self.endpoint, request, attempt, outcome.wait_s)
            ):
                break
            outcome = self._try(body)
            if not isinstance(outcome, _Again):
                return outcome
        return Failure(why=f"{outcome.why} (tried {self.endpoint.tries} times)")

    def _try(self, body: dict[str, Any]) -> "Completion | Failure | _Again":
        """One request over the wire.

        Raises:
            UserError: an answer that every other request would get too.
        """
        try:
            response = self._client.post(_address(self.endpoint.url), json=body)
        except httpx.TimeoutException:
            return _Again(why=f"no answer within {self.endpoint.timeout_s:g} s")
        except httpx.TransportError as error:
            return _Again(why=f"no connection ({type(error).__name__}: {self._safe(str(error))})")
        status = response.status_code
        if status == 200:
            return _read(response)
        why = f"status {status}: {self._safe(response.text)}"
        if status in AGAIN or status >= 500:
            return _Again(why=why, wait_s=_retry_after(response.headers.get("retry-after", "")))
        if status in REFUSED:
            raise UserError(
                REFUSED[status],
                f"{self.endpoint.url}, model {self.endpoint.model}: {self._safe(response.text)}",
                f"Check the address, the model and ${self.endpoint.key_variable}.",
            )
        return Failure(why=why)

    def _safe(self, text: str) -> str:
        """A server's text, short and without the key, which some servers repeat."""
        text = text.replace(self._key, "(key)") if self._key else text
        return " ".join(text.split())[:SHOWN]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Again:
    """Why a try failed that another may mend, and how long the server asks to wait."""

    why: str
    wait_s: float = 0.0


def check_endpoint(endpoint: Endpoint) -> None:
    """Refuses an address or a key that can't be used, or would be written into results.

    Raises:
        UserError: the address is no http(s) URL, or holds a password or a query; the key holds
            what no header can.
    """
    parts = urlsplit(endpoint.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(
            "The judge's address is not one.", endpoint.url, "Write one like https://HOST/v1."
        )
    if parts.username or parts.password or parts.query:
        raise UserError(
            "The judge's address holds a password or a query, which would be written into results.",
            f"{parts.scheme}://...{parts.hostname}",
            f"Put the key into the environment variable {endpoint.key_variable}.",
        )
    _key(endpoint)


def _key(endpoint: Endpoint) -> str:
    key = os.environ.get(endpoint.key_variable, "").strip()
    if key and not (key.isascii() and key.isprintable()):
        raise UserError(
            "The key holds characters that no HTTP header can.",
            endpoint.key_variable,
            "Set it again, without quotes and line breaks.",
        )
    return key


def _address(url: str) -> str:
    ending = "/chat/completions"
    return url if url.rstrip("/").endswith(ending) else url.rstrip("/") + ending


def _body(request: Request, endpoint: Endpoint) -> dict[str, Any]:
    system = [{"role": "system", "content": request.system}] if request.system else []
    content: str | list[dict[str, Any]] = request.text
    if request.pictures:
        pictures = [
            {"type": "image_url", "image_url": {"url": _data_url(data)}}
            for data in request.pictures
        ]
        content = [*pictures, {"type": "text", "text": request.text}]
    messages = [*system, {"role": "user", "content": content}]
    return {"model": endpoint.model, "messages": messages, **endpoint.parameters()}


def _data_url(data: bytes) -> str:
    kinds = {b"\x89PNG": "png", b"GIF8": "gif", b"RIFF": "webp"}
    return f"data:image/{kinds.get(data[:4], 'jpeg')};base64,{base64.b64encode(data).decode()}"


def _read(response: httpx.Response) -> "Completion | Failure | _Again":
    """A chat completion; anything else may be a proxy's hiccup, so it is asked for again."""
    try:
        body = _Body.model_validate_json(response.content)
    except ValidationError:
        return _Again(why="the reply is not a chat completion")
    choice = body.choices[0]
    if choice.message.content is None:
        return Failure(why=f"the reply has no text (finish: {choice.finish_reason})")
    return Completion(
        text=choice.message.content,
        model=body.model,
        finish=choice.finish_reason or "",
        tokens_in=body.usage.prompt_tokens if body.usage else None,
        tokens_out=body.usage.completion_tokens if body.usage else None,
    )


def _retry_after(header: str) -> float:
    """Seconds from a Retry-After header (seconds or a date); 0 where it says nothing."""
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _pause(endpoint: Endpoint, request: Request, attempt: int, wished_s: float) -> float:
    """Seconds before a try: doubled each time, spread so that threads don't return at once."""
    spread = 1 + seed_of(request.hash, attempt) % 1000 / 4000
    backoff = endpoint.first_wait_s * 2 ** (attempt - 1) * spread
    return min(endpoint.longest_wait_s, max(backoff, wished_s))
