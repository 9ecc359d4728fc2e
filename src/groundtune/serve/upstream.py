"""Another OpenAI-compatible server behind this one: requests are passed on, replies passed back."""

import json
import os
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx

from groundtune.generate.endpoint import EndpointSettings, message_of, servers_for
from groundtune.generate.endpoint_body import sampling_fields
from groundtune.protocols import Reply
from groundtune.serve.backend import Answered, Asked, Say
from groundtune.serve.errors import ApiError

_PASSED = frozenset({400, 413, 415, 422})
"""Refusals that are about the client's request."""


class UpstreamBackend:
    """A `Backend` over the servers of one model; a picture's requests go to the same server.

    Nothing is tried again, for a client is waiting; a server that can't be reached is passed over.
    A client that hangs up closes the connection to the server, too.
    """

    def __init__(self, settings: EndpointSettings, connections: int) -> None:
        self._settings = settings
        key = os.environ.get(settings.key_variable, "").strip()
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(settings.timeout_s, connect=min(5.0, settings.timeout_s)),
            limits=httpx.Limits(max_connections=connections),
        )

    async def answer(self, asked: Asked, say: Say | None = None) -> Answered:
        """The answers, one a seed.

        Raises:
            ApiError: 502 if the server is gone, breaks off or sends what can't be read; its own
                refusal of a bad request; 429 with its Retry-After if it is busy.
        """
        body = self._body(asked, stream=say is not None)
        about = (*asked.prompt.images, asked.prompt.key)[0]
        why: Exception | None = None
        for url in servers_for(self._settings.urls, about):
            try:
                return await self._send(f"{url}/chat/completions", body, asked, say)
            except httpx.ConnectError as error:
                why = error
            except httpx.TransportError as error:
                raise _gone("The upstream server broke off.") from error
        raise _gone("The upstream server can't be reached.") from why

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.aclose()

    def _body(self, asked: Asked, *, stream: bool) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self._settings.model, "messages": asked.messages}
        body |= sampling_fields(asked.sampling) | {"seed": asked.seeds[0] % 2**31}
        if len(asked.seeds) > 1:
            body |= {"n": len(asked.seeds)}
        if asked.stops:
            body["stop"] = list(asked.stops)
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return body

    async def _send(
        self, url: str, body: dict[str, Any], asked: Asked, say: Say | None
    ) -> Answered:
        async with self._client.stream("POST", url, json=body) as response:
            if not response.is_success:
                await response.aread()
                raise _refusal(response)
            collected = _Collected(len(asked.seeds))
            if say is None:
                await response.aread()
                collected.add(_parsed(response.text), "message", None)
            else:
                async for data in _events(response):
                    collected.add(_parsed(data), "delta", say)
            return collected.answered()


class _Collected:
    """What was received so far, by the answer's index."""

    def __init__(self, answers: int) -> None:
        self._texts = [""] * answers
        self._finish: list[str | None] = [None] * answers
        self._usage: dict[str, Any] = {}

    def add(self, reply: dict[str, Any], part: str, say: Say | None) -> None:
        """A whole reply ("message") or a piece of one ("delta")."""
        if reply.get("error"):
            raise _gone("The upstream server broke off with an error.")
        self._usage = _object(reply.get("usage")) or self._usage
        for each in _list(reply.get("choices")):
            choice = _object(each)
            index = choice.get("index") or 0
            if not isinstance(index, int) or not 0 <= index < len(self._texts):
                raise _gone("The upstream server sent what can't be read.")
            text = _object(choice.get(part)).get("content")
            if isinstance(text, str) and text:
                self._texts[index] += text
                if say is not None:
                    say(index, text)
            reason = choice.get("finish_reason")
            self._finish[index] = str(reason) if reason else self._finish[index]

    def answered(self) -> Answered:
        """All of it. Raises ApiError if an answer has not ended."""
        if None in self._finish:
            raise _gone("The upstream server broke off before the answer's end.")
        tokens = _number(self._usage.get("completion_tokens"))
        each, rest = divmod(tokens, len(self._texts))  # only their sum is told
        replies = [
            Reply(text, each + (rest if index == 0 else 0), self._finish[index] != "length")
            for index, text in enumerate(self._texts)
        ]
        return Answered(replies, _number(self._usage.get("prompt_tokens")))


async def _events(response: httpx.Response) -> AsyncIterator[str]:
    """The data of each server-sent event, up to [DONE]."""
    async for line in response.aiter_lines():
        if line.startswith("data:"):
            data = line[len("data:") :].strip()
            if data == "[DONE]":
                return
            yield data


def _refusal(response: httpx.Response) -> ApiError:
    status = response.status_code
    if status == 429:
        after = response.headers.get("retry-after", "")
        return ApiError(
            429,
            "The upstream server is busy. Try again later.",
            type="rate_limit_error",
            code="upstream_busy",
            retry_after_s=int(after) if after.isdecimal() and len(after) < 5 else 1,
        )
    if status in _PASSED:
        said = message_of(response)
        return ApiError(
            status, f"The upstream server refuses this: {said}", code="upstream_refused"
        )
    return _gone(f"The upstream server failed (HTTP {status}).")


def _gone(message: str) -> ApiError:
    return ApiError(502, message, type="server_error", code="upstream_failed")


def _parsed(text: str) -> dict[str, Any]:
    try:
        found: object = json.loads(text)
    except ValueError as error:
        raise _gone("The upstream server sent what can't be read.") from error
    if not isinstance(found, dict):
        raise _gone("The upstream server sent what can't be read.")
    return cast("dict[str, Any]", found)


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _number(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
