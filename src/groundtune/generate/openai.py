"""Answers and yes/no probabilities from any OpenAI-compatible endpoint: vLLM, SGLang, hosted.

Requests are ordered by image, and all requests about one image go to one server, so that they hit
its prefix cache.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from groundtune.errors import UserError
from groundtune.generate.client import EndpointClient, EndpointFault
from groundtune.generate.completion import Completion, CompletionChoice, FirstTokens
from groundtune.generate.endpoint import EndpointSettings
from groundtune.generate.endpoint_body import DataUrls, chat_body, chat_messages
from groundtune.generate.loop_thread import LoopThread
from groundtune.generate.yes_no import mass_of
from groundtune.protocols import NO_ANSWER, Images, Reply, YesNoReply
from groundtune.records import Producer, Prompt, Sampling

T = TypeVar("T")

_TOPS = (20, 10, 5, 2)
"""Numbers of most likely tokens to ask for: first the most that the API and vLLM's default allow,
then what other servers allow. What yes and no have beyond them is lost, at most what the likelier
tokens leave."""
_SHOWN = 5
"""Different words that are reported of a labeler that says neither yes nor no."""
_FILTERED = "content_filter"
"""The finish reason of an answer that the server withheld or cut."""

log = logging.getLogger(__name__)


class OpenAIGenerator:
    """A `Generator` and a `YesNo` over an endpoint.

    It works in a background thread, so it can be used from any thread and within a running loop.

    Raises:
        UserError: the key's variable holds what no header can.
    """

    def __init__(self, settings: EndpointSettings, images: Images, *, name: str = "") -> None:
        self.settings = settings
        self.name = name or f"openai:{settings.model}"
        self._urls = DataUrls(images)
        self._gives_logprobs = False
        self._top = _TOPS[0]
        self._words = set[str]()
        self._refused = Counter[str]()
        """Answers that the server refused or withheld, by which of the two."""
        self._loop = LoopThread()
        try:
            self._client = self._loop.run(_open(settings))
            self.revision = self._loop.run(self._client.served())
            """What the server calls the weights; empty where it doesn't say."""
        except BaseException:
            self._loop.stop()
            raise

    def close(self) -> None:
        """Close the connections and end the thread; say how many answers were refused."""
        for kind, count in self._refused.items():
            log.warning("%s: answers %s by the server: %d", self.name, kind, count)
        self._loop.run(self._client.close())
        self._loop.stop()

    def producer(self, sampling: Sampling, seed: int) -> Producer:
        """The producer of the answers; part of their keys. It does not contain the URL."""
        return Producer(
            kind="model", name=self.name, revision=self.revision, sampling=sampling, seed=seed
        )

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, seeds: Sequence[int]
    ) -> list[Reply]:
        """Return one reply per prompt, in order.

        A reply's tokens are the server's count, 0 where it gives none.

        Raises:
            UserError: an image is missing, the server refuses, or it is silent for too long.
        """
        seeded = zip(prompts, seeds, strict=True)
        return self._in_order(prompts, [self._draw(p, sampling, seed) for p, seed in seeded])

    def yes_no(self, prompts: Sequence[Prompt]) -> list[YesNoReply]:
        """Return one reply per prompt, in order, from the most likely first tokens of the answer.

        p_yes and p_no are raw: spellings summed, nothing rescaled. A single reply without
        log-probabilities, or with one that is no number, is NO_ANSWER.

        Raises:
            UserError: as `generate`, or the endpoint gave no log-probabilities so far.
        """
        return self._in_order(prompts, [self._ask(prompt) for prompt in prompts])

    def _in_order(
        self, prompts: Sequence[Prompt], work: Sequence[Coroutine[Any, Any, T]]
    ) -> list[T]:
        """Return the result per prompt, in order; requests about one image are sent together.

        Images come in the prompts' order: what is stored then also tells when a server broke down.
        """
        first: dict[tuple[str, ...], int] = {}
        for number, prompt in enumerate(prompts):
            first.setdefault(prompt.images, number)
        order = sorted(range(len(prompts)), key=lambda i: (first[prompts[i].images], i))
        results = dict(zip(order, self._loop.run(_all([work[i] for i in order])), strict=True))
        return [results[i] for i in range(len(prompts))]

    async def _draw(self, prompt: Prompt, sampling: Sampling, seed: int) -> Reply:
        completion = await self._post(prompt, sampling, seed=seed)
        (choice,) = completion.choices
        self._count_refusal(choice)
        tokens = completion.tokens_out or 0
        return Reply(choice.text.strip(), tokens, choice.finished, choice.thoughts)

    async def _ask(self, prompt: Prompt) -> YesNoReply:
        # At temperature 1 it doesn't matter whether a server's log-probabilities come before or
        # after the temperature; what is drawn is not used.
        (choice,) = (await self._likely(prompt, Sampling(max_new_tokens=1, temperature=1))).choices
        first = choice.first
        if choice.refused:
            self._count_refusal(choice)
            return NO_ANSWER
        self._gives_logprobs = self._gives_logprobs or first is not None
        if not self._gives_logprobs:
            raise UserError(
                "The endpoint gives no log-probabilities, so yes and no have no probability.",
                f"{self.settings.model} at {self.settings.urls[0]}",
                "Use a server that supports logprobs and top_logprobs, as vLLM and SGLang do.",
            )
        if first is None or not first.valid:
            return NO_ANSWER
        reply = mass_of(first.likely)
        if not reply.is_answer():
            self._report_words(first)
        return reply

    async def _likely(self, prompt: Prompt, sampling: Sampling) -> Completion:
        """Return a reply with the most likely tokens, as many as the server allows."""
        while True:
            top = self._top
            try:
                return await self._post(prompt, sampling, logprobs=True, top_logprobs=top)
            except EndpointFault as fault:
                fewer = [n for n in _TOPS if n < top]
                too_many = fault.status in (400, 422) and "logprob" in fault.why.lower()
                if not too_many or not fewer:
                    raise
                self._lower(fewer[0], fault.why)

    def _lower(self, top: int, why: str) -> None:
        """Ask for no more than `top` tokens from now on."""
        if top < self._top:
            self._top = top
            log.warning(
                "%s refuses to give more likely tokens, so p(yes) and p(no) are read from %d: %s",
                self.name,
                top,
                why,
            )

    def _report_words(self, first: FirstTokens) -> None:
        """Say what a labeler answers instead of yes or no, a few different words at most."""
        word, p = max(first.likely, key=lambda each: each[1])
        if len(self._words) < _SHOWN and word not in self._words:
            self._words.add(word)
            log.warning(
                "The labeler %s said neither yes nor no, but %r (probability %.3f)",
                self.name,
                word,
                p,
            )

    def _count_refusal(self, choice: CompletionChoice) -> None:
        if choice.refused:
            self._refused["refused"] += 1
        elif choice.finish == _FILTERED:
            self._refused["withheld (content_filter)"] += 1

    async def _post(
        self, prompt: Prompt, sampling: Sampling, *, seed: int | None = None, **more: object
    ) -> Completion:
        async with self._client.place():
            messages = await asyncio.to_thread(chat_messages, prompt, self._urls)
            body = chat_body(self.settings, messages, sampling, seed=seed)
            about = (*prompt.images, prompt.key)[0]
            return await self._client.complete({**body, **more}, about)


async def _open(settings: EndpointSettings) -> EndpointClient:
    return EndpointClient(settings)


async def _all(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Return all results, in order; the first error cancels the rest."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
