"""The client of OpenAI-compatible endpoints: the only place that sends requests to models.

Generator, judge and server upstream all use it. It handles HTTP only:
`endpoint_body.py` builds request bodies, `retry.py` decides about retries, `completion.py` parses
replies and `endpoint.py` holds the settings.
"""

import asyncio
import json
import logging
import re
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import Any, TypeVar, cast

import httpx

from groundtune.errors import UnfitError, UserError
from groundtune.generate.completion import (
    Completion,
    CompletionReader,
    UnreadableReply,
    error_message,
    one_line,
)
from groundtune.generate.endpoint import CHAT, EndpointSettings, read_key, servers_for
from groundtune.generate.retry import PassingFault, may_pass, retry_after_s, retrying

T = TypeVar("T")

Body = Mapping[str, Any]
Say = Callable[[int, str], None]
"""Takes the next characters of answer i, in order."""

_CONNECT_S = 10.0
_UNFIT = frozenset({400, 413, 422})
"""Statuses of a request that is refused for what is in it."""
_TOO_LONG = re.compile(r"context|max_(completion_|new_|model_)?(tokens|len)", re.IGNORECASE)
"""How vLLM, SGLang, llama.cpp and hosted servers say that prompt and reply don't fit."""
_CHANGE = "Change what the server complains about."
_SHORTER = (
    "Serve the model with a longer context, or request shorter replies: max_new_tokens of answers, "
    "max_reply_tokens of a divider, a corrector or a reader of annotations."
)
MODELS_S = 10.0
"""The longest wait for a server to say which model it serves: no work depends on it."""

log = logging.getLogger(__name__)


class EndpointFault(UserError):
    """A request failed for good. `why` is the reason in one line, for a record or a report."""

    def __init__(self, what: str, where: str, fix: str, *, why: str, status: int) -> None:
        super().__init__(what, where, fix)
        self.why = why
        self.status = status
        """Of the refusal; 0 where the request was not refused."""

    def __reduce__(self) -> tuple[Any, tuple[str, str, str]]:
        make = partial(type(self), why=self.why, status=self.status)
        return make, (self.what, self.where, self.fix)


class EndpointRefusal(EndpointFault, UnfitError):
    """The endpoint refuses this request: too long, say. It may take others."""


class EndpointClient:
    """Sends requests to the servers of one model; to be used within one event loop.

    Raises:
        UserError: the key's variable holds what no header can.
    """

    def __init__(self, settings: EndpointSettings) -> None:
        self.settings = settings
        self._key = read_key(settings)
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            timeout=httpx.Timeout(
                settings.timeout_s, connect=min(_CONNECT_S, settings.timeout_s), pool=None
            ),
            limits=httpx.Limits(max_connections=settings.concurrency),
        )
        self._paces = {url: _Pace(settings.requests_per_minute) for url in settings.urls}
        self._places = asyncio.Semaphore(settings.concurrency)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    def place(self) -> asyncio.Semaphore:
        """Return what to hold while a body is made and sent, so that few are in memory."""
        return self._places

    async def complete(
        self, body: Body, about: str, *, on_loss: Callable[[], None] | None = None
    ) -> Completion:
        """Return the reply, after as many tries as the retry policy allows.

        Requests about the same go to the same server. `on_loss` is called for each failed try that
        the server may have charged for, before the next; what it raises ends the request.

        Raises:
            EndpointFault: the server refuses the request, doesn't answer it in all tries, or sends
                what can't be read.
        """
        return await self._tried(lambda servers: self._once(body, servers), about, CHAT, on_loss)

    async def post(self, path: str, body: Body, about: str) -> object:
        """Return the JSON of the reply to a request at a path below the base URL, as `complete`.

        Raises:
            EndpointFault: as `complete`.
        """
        return await self._tried(
            lambda servers: self._json("POST", path, body, servers), about, path
        )

    async def command(self, path: str, body: Body) -> None:
        """Send a request to every server of the model; only whether it succeeded counts.

        Raises:
            EndpointFault: as `complete`.
        """
        for url in self.settings.urls:
            await self._tried(partial(self._command, path, body, url), url, path)

    async def _command(self, path: str, body: Body, url: str, _: Sequence[str]) -> None:
        async with self._response("POST", path, body, [url]) as response:
            await response.aread()

    async def _tried(
        self,
        once: Callable[[Sequence[str]], Awaitable[T]],
        about: str,
        path: str,
        on_loss: Callable[[], None] | None = None,
    ) -> T:
        """Return what `once` returns, after as many tries as the retry policy allows."""
        servers = deque(servers_for(self.settings.urls, about))

        async def attempt() -> T:
            try:
                return await once(servers)
            except PassingFault as fault:
                self._spare(fault)
                if fault.status != 429:  # another server of the same model may be up
                    servers.rotate(-1)
                if fault.billed and on_loss is not None:
                    on_loss()
                raise

        try:
            return await retrying(self.settings)(attempt)
        except PassingFault as fault:
            tries = self.settings.tries
            raise EndpointFault(
                f"The endpoint did not answer in {tries} tries: {fault.why}",
                f"{servers_for(self.settings.urls, about)[0]}{path}",
                "Start the server, check the URL, or run again later: what is done is kept.",
                why=f"{fault.why} (tried {tries} times)",
                status=0,
            ) from fault

    async def complete_now(self, body: Body, about: str, say: Say | None = None) -> Completion:
        """Return the reply to a request that is sent once, as a stream if `say` takes its text.

        A server that can't be reached is passed over.

        Raises:
            PassingFault: the request failed; another try might succeed.
            EndpointFault: as `complete`.
        """
        return await self._once(body, servers_for(self.settings.urls, about), say)

    async def served(self) -> str:
        """Return the model name that the first server reports: the root of its id, else the id.

        Empty where no server says so in time: it names the weights, and no work depends on it.
        """
        few = self.settings.model_copy(update={"tries": min(2, self.settings.tries)})
        try:
            async with asyncio.timeout(MODELS_S):
                return _root_of(await retrying(few)(self._models), self.settings.model)
        except (TimeoutError, PassingFault, EndpointFault) as error:
            why = f"no answer in {MODELS_S:g} s" if isinstance(error, TimeoutError) else error.why
            url = self.settings.urls[0]
            log.warning("%s does not say which weights it serves, so no row will: %s", url, why)
            return ""

    async def _models(self) -> object:
        return await self._json("GET", "/models", None, self.settings.urls)

    async def _json(
        self, method: str, path: str, body: Body | None, servers: Sequence[str]
    ) -> object:
        async with self._response(method, path, body, servers) as response:
            try:
                return json.loads(await response.aread())
            except (ValueError, RecursionError) as error:
                raise PassingFault("its reply is not JSON") from error

    async def _once(self, body: Body, servers: Sequence[str], say: Say | None = None) -> Completion:
        reader = CompletionReader(body.get("n", 1))
        if say is not None:
            body = {**body, "stream": True, "stream_options": {"include_usage": True}}
        async with self._response("POST", CHAT, body, servers) as response:
            try:
                if say is None:
                    return reader.whole(await response.aread())
                async for data in _events(response):
                    for index, text in reader.piece(data):
                        say(index, text)
                return reader.end()
            except UnreadableReply as fault:
                why = self._clean(fault.why)
                url = str(response.request.url)
                if fault.passing:
                    raise PassingFault(why, url=url, status=200, billed=True) from fault
                raise EndpointFault(
                    f"The endpoint's reply can't be used: {why}.",
                    url,
                    "Look at the server's log and settings; not all can do what was requested.",
                    why=why,
                    status=200,
                ) from fault

    @asynccontextmanager
    async def _response(
        self, method: str, path: str, body: Body | None, servers: Sequence[str]
    ) -> AsyncGenerator[httpx.Response]:
        """Return a successful response, body unread, of the first server that can be reached."""
        response, url = await self._reach(method, path, body, servers)
        try:
            if not response.is_success:
                await response.aread()
                raise self._fault(response, url)
            yield response
        except httpx.RequestError as error:
            raise PassingFault(self._why(error), url=url, billed=True) from error
        finally:
            await response.aclose()

    async def _reach(
        self, method: str, path: str, body: Body | None, servers: Sequence[str]
    ) -> tuple[httpx.Response, str]:
        why = ""
        for url in servers:
            await self._paces[url].turn()
            request = self._http.build_request(method, _address(url + path), json=body)
            try:
                return await self._http.send(request, stream=True), url
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                why = self._why(error)
            except httpx.RequestError as error:
                raise PassingFault(self._why(error), url=url, billed=True) from error
        raise PassingFault(why)

    def _fault(self, response: httpx.Response, url: str) -> PassingFault | EndpointFault:
        """Return the fault for an error status."""
        status = response.status_code
        detail = self._clean(_message_of(response))
        why = f"HTTP {status} {detail}".strip()
        if may_pass(status):
            wait_s = retry_after_s(response.headers.get("retry-after", ""))
            return PassingFault(why, url=url, status=status, wait_s=wait_s)
        fixes = {
            401: f"Set the environment variable {self.settings.key_variable} to a valid key.",
            403: f"Set the environment variable {self.settings.key_variable} to a key that may.",
            404: "Check the model's name and the base URL, which often ends in /v1.",
        }
        kind = EndpointRefusal if status in _UNFIT else EndpointFault
        fix = _SHORTER if status in _UNFIT and _TOO_LONG.search(detail) else _CHANGE
        return kind(
            f"The endpoint refuses the request (HTTP {status}): {detail}",
            f"{response.request.url}, model {self.settings.model}",
            fixes.get(status, fix),
            why=why,
            status=status,
        )

    def _why(self, error: httpx.RequestError) -> str:
        if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
            return self._clean(f"no connection ({error or type(error).__name__})")
        if isinstance(error, httpx.TimeoutException):
            return f"no answer within {self.settings.timeout_s:g} s"
        return self._clean(f"{type(error).__name__} {error}".strip())

    def _spare(self, fault: PassingFault) -> None:
        """Send nothing to a server that asked for a pause until the pause is over."""
        if fault.url and fault.wait_s:
            self._paces[fault.url].hold(min(fault.wait_s, self.settings.longest_wait_s))

    def _clean(self, text: str) -> str:
        """Remove the key from a message: some servers repeat it."""
        return text.replace(self._key, "[key]") if self._key else text


@cache
def _address(url: str) -> httpx.URL:
    """Return the parsed URL; cached, since parsing takes a tenth of a request's own work."""
    return httpx.URL(url)


class _Pace:
    """When the next request to a server may begin."""

    def __init__(self, per_minute: float) -> None:
        self._gap_s = 60 / per_minute if per_minute else 0.0
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for it."""
        now = time.monotonic()
        start = max(now, self._next)
        self._next = max(self._next, start + self._gap_s)
        if start > now:
            await asyncio.sleep(start - now)

    def hold(self, seconds: float) -> None:
        """Start no request for this many seconds."""
        self._next = max(self._next, time.monotonic() + seconds)


async def _events(response: httpx.Response) -> AsyncIterator[str]:
    """Yield the data of each server-sent event, up to [DONE]."""
    async for line in response.aiter_lines():
        if line.startswith("data:"):
            data = line.removeprefix("data:").strip()
            if data == "[DONE]":
                return
            yield data


def _root_of(reply: object, name: str) -> str:
    models = cast("dict[str, Any]", reply).get("data") if isinstance(reply, dict) else None
    for each in cast("list[object]", models) if isinstance(models, list) else []:
        if isinstance(each, dict):
            model = cast("dict[str, Any]", each)
            if model.get("id") == name:
                return str(model.get("root") or name)
    return ""


def _message_of(response: httpx.Response) -> str:
    try:
        body: object = response.json()
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        return error_message(cast("dict[str, Any]", body))
    return one_line(response.text)
