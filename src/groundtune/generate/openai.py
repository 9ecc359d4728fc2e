"""Answers and yes/no probabilities from any OpenAI-compatible endpoint: vLLM, SGLang, hosted.

Requests go out ordered by picture, and those about one picture to one server, so that its prefix
cache finds the picture again.
"""

import asyncio
import math
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar, cast

from groundtune.errors import UserError
from groundtune.generate.endpoint import Endpoint, EndpointSettings
from groundtune.generate.endpoint_body import DataUrls, chat_messages, sampling_fields
from groundtune.generate.yes_no import mass_of
from groundtune.protocols import Images, Reply, YesNoReply
from groundtune.records import Producer, Prompt, Sampling

T = TypeVar("T")

_PATH = "/chat/completions"
_TOP = 20
"""Most likely tokens asked for: the most that the API and vLLM's default allow. What yes and no
have beyond them is lost, at most what twenty likelier tokens leave."""
_SEEDS = 2**31
"""Some servers and gateways take no larger seeds."""


class OpenAIGenerator:
    """A `Generator` and a `YesNo` over an endpoint.

    `together` draws of one prompt go into one request (the API's n): a server then reads the prompt
    once and a hosted one charges it once. Their seed is that of the first of them, so that a draw
    then depends on its neighbours in the call, and not on its own seed alone. With 1, the default,
    a draw depends on its seed alone, as far as the server keeps to seeds. `extra` are fields that
    go into each request as they are.

    It works in a thread of its own, so it may be used from any thread and beside a running loop.

    Raises:
        UserError: the endpoint can't be reached, or refuses the key.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        images: Images,
        *,
        name: str = "",
        together: int = 1,
        extra: dict[str, Any] | None = None,
    ) -> None:
        self.settings = settings
        self.name = name or f"openai:{settings.model}"
        self.together = together
        self.extra = extra or {}
        self._urls = DataUrls(images)
        self._loop = _LoopThread()
        try:
            self._endpoint = self._loop.run(_open(settings))
            self.revision = self._loop.run(self._endpoint.served())
            """What the server calls the weights; empty where it doesn't say."""
        except BaseException:
            self._loop.stop()
            raise

    def close(self) -> None:
        """Closes the connections and ends the thread."""
        self._loop.run(self._endpoint.close())
        self._loop.stop()

    def producer(self, sampling: Sampling, seed: int) -> Producer:
        """Who the answers are by: goes into their keys. The URL is no part of it."""
        return Producer(
            kind="model", name=self.name, revision=self.revision, sampling=sampling, seed=seed
        )

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, seeds: Sequence[int]
    ) -> list[Reply]:
        """One reply a prompt, in order.

        A reply's tokens are the server's count, 0 where it gives none.

        Raises:
            UserError: a picture is missing, the server refuses, or it is silent for too long.
        """
        groups = list(self._groups(prompts))
        work = [
            self._draw([prompts[i] for i in g], sampling, [seeds[i] for i in g]) for g in groups
        ]
        drawn = self._loop.run(_all(work))
        replies = {
            i: r
            for group, own in zip(groups, drawn, strict=True)
            for i, r in zip(group, own, strict=True)
        }
        return [replies[i] for i in range(len(prompts))]

    def yes_no(self, prompts: Sequence[Prompt]) -> list[YesNoReply]:
        """One reply a prompt, in order, from the most likely first tokens of the answer.

        p_yes and p_no are raw: spellings summed, nothing rescaled.

        Raises:
            UserError: as `generate`, or the endpoint gives no log-probabilities.
        """
        order = _by_picture(prompts)
        found = self._loop.run(_all([self._ask(prompts[i]) for i in order]))
        replies = dict(zip(order, found, strict=True))
        return [replies[i] for i in range(len(prompts))]

    def _groups(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        """Indexes of the prompts, ordered by picture; each group is one request."""
        groups: list[list[int]] = []
        for i in _by_picture(prompts):
            last = groups[-1] if groups else []
            if last and len(last) < self.together and prompts[last[0]].key == prompts[i].key:
                last.append(i)
            else:
                groups.append([i])
        return groups

    async def _draw(
        self, prompts: Sequence[Prompt], sampling: Sampling, seeds: Sequence[int]
    ) -> list[Reply]:
        fields = {**sampling_fields(sampling), "seed": seeds[0] % _SEEDS}
        if len(prompts) > 1:
            # the usage is that of all draws, so each one's tokens are counted here
            fields |= {"n": len(prompts), "logprobs": True}
        reply = await self._post(prompts[0], fields)
        choices = _objects(reply.get("choices"))
        if len(choices) != len(prompts):
            raise UserError(
                f"The endpoint gave {len(choices)} answers where {len(prompts)} were asked for.",
                self._where,
                "Draw one answer a request (together=1)." if choices else "Look at its log.",
            )
        choices.sort(key=lambda choice: choice.get("index") or 0)
        return [_reply(choice, reply, alone=len(choices) == 1) for choice in choices]

    async def _ask(self, prompt: Prompt) -> YesNoReply:
        # At temperature 1 it doesn't matter whether a server's log-probabilities come before or
        # after the temperature; what is drawn is not used.
        fields = sampling_fields(Sampling(max_new_tokens=1, temperature=1))
        reply = await self._post(prompt, {**fields, "logprobs": True, "top_logprobs": _TOP})
        choices = _objects(reply.get("choices"))
        logprobs = _object(choices[0].get("logprobs")) if choices else {}
        content = _objects(logprobs.get("content"))
        top = _objects(content[0].get("top_logprobs")) if content else []
        likely = [(str(each.get("token")), _probability(each.get("logprob"))) for each in top]
        if not likely:
            raise UserError(
                "The endpoint gives no log-probabilities, so yes and no have no probability.",
                self._where,
                "Use a server that supports logprobs and top_logprobs, as vLLM and SGLang do.",
            )
        return mass_of(likely)

    async def _post(self, prompt: Prompt, fields: dict[str, Any]) -> dict[str, Any]:
        async with self._endpoint.turn():
            messages = await asyncio.to_thread(chat_messages, prompt, self._urls)
            body = {"model": self.settings.model, "messages": messages, **fields, **self.extra}
            return await self._endpoint.post(_PATH, body, (*prompt.images, prompt.key)[0])

    @property
    def _where(self) -> str:
        return f"{self.settings.model} at {self.settings.urls[0]}"


def _by_picture(prompts: Sequence[Prompt]) -> list[int]:
    return sorted(range(len(prompts)), key=lambda i: (prompts[i].images, prompts[i].key))


def _reply(choice: dict[str, Any], reply: dict[str, Any], *, alone: bool) -> Reply:
    message = _object(choice.get("message"))
    text = message.get("content") or message.get("refusal") or ""
    counted = len(_objects(_object(choice.get("logprobs")).get("content")))
    usage = _object(reply.get("usage")).get("completion_tokens") if alone else counted
    tokens = usage if isinstance(usage, int) else 0
    return Reply(str(text).strip(), tokens, choice.get("finish_reason") != "length")


def _probability(logprob: object) -> float:
    return math.exp(min(0.0, logprob)) if isinstance(logprob, int | float) else 0.0


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", each) for each in items if isinstance(each, dict)]


async def _open(settings: EndpointSettings) -> Endpoint:
    return Endpoint(settings)


async def _all(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """All results, in order; the first error stops the rest."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


class _LoopThread:
    """An event loop in a thread of its own, which never keeps the program from ending."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._run, name="endpoint", daemon=True).start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result; an interruption (Ctrl-C) cancels the work."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """Ends the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.close()
