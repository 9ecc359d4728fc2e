"""From a request to its answer: drawn, chosen by the model's own reward, its claims checked."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from groundtune.errors import not_finite
from groundtune.protocols import Reply, Rewarder
from groundtune.records import Claim, Prompt
from groundtune.serve.backend import Asked, Backend, ClaimCheck, Say
from groundtune.serve.errors import ApiError
from groundtune.serve.gate import Gate
from groundtune.serve.gather import Gatherer, QueueEntry
from groundtune.serve.images import LentImages
from groundtune.serve.limits import Limits
from groundtune.serve.metrics import Metrics
from groundtune.serve.prompts import read_chat
from groundtune.serve.schema import ChatRequest, SelfFeedback
from groundtune.serve.thread import ModelThread, refusal

RewarderOf = Callable[[float], Rewarder]
"""r(y) of an answer, by the power of its length in tokens by which it is divided."""


class ChatFeedback(NamedTuple):
    """How an answer was chosen among its candidates."""

    n: int
    distinct: int
    chosen: int
    """Index of the candidate."""
    rewards: list[float | None]
    """One a candidate; None where it is not a finite number."""
    tokens: int
    """Generated, of all candidates."""
    sample_seconds: float
    score_seconds: float
    normalise: float
    """The power of the length by which rewards were divided."""


class ChatResult(NamedTuple):
    """A request's whole result."""

    replies: list[Reply]
    prompt_tokens: int
    completion_tokens: int
    """Of all candidates: what it cost."""
    feedback: ChatFeedback | None
    claims: list[list[Claim]] | None
    """Of each reply; None if they were not asked for."""
    images: int
    """Images of the request; without one no claim can be checked."""


@dataclass
class Service:
    """All that a running server has."""

    model: str
    """The name that clients ask for."""
    backend: Backend
    images: LentImages
    thread: ModelThread
    """Where rewards and claims are computed, too."""
    limits: Limits = field(default_factory=Limits)
    rewarders: RewarderOf | None = None
    check: ClaimCheck | None = None
    batch_size: int = 16
    """Answers whose claims are checked together."""
    started: int = field(default_factory=lambda: int(time.time()))
    gate: Gate = field(init=False)
    metrics: Metrics = field(init=False)
    checks: Gatherer["_Texts", list[list[Claim]]] = field(init=False)

    def __post_init__(self) -> None:
        self.gate = Gate(self.limits)
        self.checks = Gatherer(self.thread, self._check, most=self.batch_size)
        self.metrics = Metrics(
            {
                "requests_running": lambda: self.gate.running,
                "requests_waiting": lambda: self.gate.waiting,
            }
        )

    async def close(self) -> None:
        """Closes the model's thread and the connections upstream."""
        await self.backend.close()
        self.thread.close()

    def refuse(self, chat: ChatRequest) -> None:
        """Raises ApiError if the request asks for what this server hasn't."""
        if chat.model != self.model:
            raise ApiError(
                "model_not_found",
                f"There is no model {chat.model[:200]!r} here, only {self.model!r}.",
                param="model",
            )
        if chat.self_feedback is not None and self.rewarders is None:
            raise ApiError(
                "not_available",
                "self_feedback needs a reference model: start the server with --reference.",
                param="self_feedback",
            )
        if chat.check and self.check is None:
            raise ApiError(
                "not_available",
                "check needs a labeler: start the server with --labeler.",
                param="check",
            )

    async def answer(self, chat: ChatRequest, say: Say | None) -> ChatResult:
        """Answers a request in its turn; the text goes to `say` as soon as it stands.

        Raises:
            ApiError: what the client is to be told.
        """
        began = time.monotonic()
        async with self.gate.turn():
            async with self.gate.readers:
                read = await asyncio.to_thread(read_chat, chat, self.limits)
            with self.images.lend(read.images):
                done = await self._answer(chat, read.asked, say)
        self.metrics.took(time.monotonic() - began)
        self.metrics.count("prompt_tokens_total", done.prompt_tokens)
        self.metrics.count("completion_tokens_total", done.completion_tokens)
        return done

    async def _answer(self, chat: ChatRequest, asked: Asked, say: Say | None) -> ChatResult:
        feedback: ChatFeedback | None = None
        if chat.self_feedback is None:
            drawn = await self.backend.answer(asked, say)
            replies = drawn.replies
        else:
            began = time.monotonic()
            drawn = await self.backend.answer(asked)
            seconds = time.monotonic() - began
            feedback = await self._choose(asked.prompt, drawn.replies, chat.self_feedback, seconds)
            replies = [drawn.replies[feedback.chosen]]
            if say is not None:
                say(0, replies[0].text)
        claims = await self._claims(asked.prompt, replies) if chat.check else None
        tokens = sum(reply.tokens for reply in drawn.replies)
        images = len(asked.prompt.images)
        return ChatResult(replies, drawn.prompt_tokens, tokens, feedback, claims, images)

    async def _choose(
        self, prompt: Prompt, drawn: Sequence[Reply], wanted: SelfFeedback, seconds: float
    ) -> ChatFeedback:
        """The candidate with the highest reward; an empty one only if all are.

        Raises:
            ApiError: no candidate has a reward that is a number.
        """
        assert self.rewarders is not None
        rewarder = self.rewarders(float(wanted.normalise))
        texts = list(dict.fromkeys(reply.text for reply in drawn))
        began = time.monotonic()
        found = await self.thread.run(lambda: rewarder.reward([prompt] * len(texts), texts))
        finite = [value if math.isfinite(value) else None for value in found]
        reward = dict(zip(texts, finite, strict=True))
        rewards = [reward[reply.text] for reply in drawn]
        if not any(value is not None for value in rewards):
            error = not_finite("rewards of all candidates", self.model)
            raise refusal(error) from error
        order = [
            (value is not None, bool(reply.text), value or 0.0)
            for reply, value in zip(drawn, rewards, strict=True)
        ]
        return ChatFeedback(
            n=len(drawn),
            distinct=len(texts),
            chosen=order.index(max(order)),
            rewards=rewards,
            tokens=sum(reply.tokens for reply in drawn),
            sample_seconds=seconds,
            score_seconds=time.monotonic() - began,
            normalise=float(wanted.normalise),
        )

    async def _claims(self, prompt: Prompt, replies: Sequence[Reply]) -> list[list[Claim]]:
        texts = [reply.text for reply in replies]
        found = await self.checks.do(_Texts(prompt, texts), size=len(texts))
        for claim in (claim for claims in found for claim in claims):
            self.metrics.count("claims_total", verdict=claim.status)
        return found

    def _check(self, places: Sequence[QueueEntry["_Texts", list[list[Claim]]]]) -> None:
        assert self.check is not None
        items = [place.item for place in places]
        prompts = [item.prompt for item in items for _ in item.texts]
        found = iter(self.check(prompts, [text for item in items for text in item.texts]))
        for place in places:
            place.end([next(found) for _ in place.item.texts])


class _Texts(NamedTuple):
    """Answers to one prompt, to be checked."""

    prompt: Prompt
    texts: list[str]
