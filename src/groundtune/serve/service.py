"""From a request to its answer: sampled, chosen by the model's own reward, with checked claims."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from groundtune.errors import not_finite
from groundtune.pipeline.feedback.thumbs import ThumbLog
from groundtune.pipeline.reward.rewarders import OpenedRewarder
from groundtune.protocols import Reply, Rewarder, SpanReward
from groundtune.records import Claim, Prompt, Thumb
from groundtune.serve.backend import AnswerRequest, Backend, ClaimCheck, Say
from groundtune.serve.errors import ApiError
from groundtune.serve.gate import Gate
from groundtune.serve.gather import Gatherer, QueueEntry
from groundtune.serve.images import LentImages
from groundtune.serve.limits import Limits
from groundtune.serve.metrics import Metrics
from groundtune.serve.prompts import read_chat, read_reward, read_thumb
from groundtune.serve.schema import ChatRequest, RewardRequest, ThumbRequest
from groundtune.serve.thread import ModelThread, refusal

RewarderOf = Callable[[float], Rewarder]
"""The reward r(y), given the power of the answer's length by which it is divided."""


class ChatFeedback(NamedTuple):
    """How the answer was chosen among its candidates."""

    n: int
    distinct: int
    chosen: int
    """Index of the candidate."""
    rewards: list[float | None]
    """One per candidate; None if it is not a finite number."""
    tokens: int
    """Generated tokens of all candidates."""
    sample_seconds: float
    score_seconds: float
    normalise: float | None
    """The power of the length by which rewards were divided; None for a reward model's."""


class AnswerRewards(NamedTuple):
    """What the reward model says of answers."""

    rewards: list[float | None]
    """One per answer; None if it is not a finite number."""
    words: list[list[SpanReward]] | None
    """One per word of each answer, below 0 where it is wrong; None if the model learnt no words."""


class ChatResult(NamedTuple):
    """The complete result of a request."""

    replies: list[Reply]
    prompt_tokens: int
    completion_tokens: int
    """Tokens of all candidates."""
    feedback: ChatFeedback | None
    claims: list[list[Claim]] | None
    """Of each reply; None if not requested."""
    images: int
    """Number of images of the request; without any, claims can't be checked."""


@dataclass
class Service:
    """The state of a running server."""

    model: str
    """The model name that clients use."""
    backend: Backend
    images: LentImages
    thread: ModelThread
    """Also computes rewards and claims."""
    limits: Limits = field(default_factory=Limits)
    rewarders: RewarderOf | None = None
    """The model's own reward, for self_feedback."""
    rewarder: OpenedRewarder | None = None
    """A reward model, a package's reward or a server's, for the field reward and /v1/reward."""
    check: ClaimCheck | None = None
    thumbs: ThumbLog | None = None
    """Where thumbs are stored, for /v1/thumbs."""
    batch_size: int = 16
    """Number of answers whose claims are checked together."""
    started: int = field(default_factory=lambda: int(time.time()))
    gate: Gate = field(init=False)
    metrics: Metrics = field(init=False)
    checks: Gatherer["_Texts", list[list[Claim]]] = field(init=False)

    def __post_init__(self) -> None:
        self.gate = Gate(self.limits)
        self.checks = Gatherer(self.thread, self._check, max_size=self.batch_size)
        self.metrics = Metrics(
            {
                "requests_running": lambda: self.gate.running,
                "requests_waiting": lambda: self.gate.waiting,
            }
        )

    async def close(self) -> None:
        """Close the model's thread and the connections upstream."""
        await self.backend.close()
        if self.rewarder is not None:
            self.rewarder.close()
        self.thread.close()

    def refuse(self, chat: ChatRequest) -> None:
        """Raise ApiError if the request needs something that this server lacks."""
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
        if chat.reward is not None:
            self.refuse_reward()
        if chat.check and self.check is None:
            raise ApiError(
                "not_available",
                "check needs a labeler: start the server with --labeler.",
                param="check",
            )

    def refuse_reward(self) -> None:
        """Raise ApiError if this server has no reward model."""
        if self.rewarder is None:
            raise ApiError(
                "not_available",
                "Rewards need a reward model: start the server with --reward.",
                param="reward",
            )

    def refuse_thumb(self) -> None:
        """Raise ApiError if this server stores no thumbs."""
        if self.thumbs is None:
            raise ApiError(
                "not_available",
                "Thumbs need a folder: start the server with --thumbs.",
                param="good",
            )

    async def add_thumb(self, request: ThumbRequest) -> Thumb:
        """Store a thumb.

        Raises:
            ApiError: the error for the client.
        """
        assert self.thumbs is not None
        log = self.thumbs
        async with self.gate.readers:
            prompt, images = await asyncio.to_thread(read_thumb, request, self.limits)
            thumb = await asyncio.to_thread(
                log.add,
                prompt,
                request.answer,
                model=request.model or self.model,
                good=request.good,
                images=images,
                person=request.user or "",
                note=request.note or "",
            )
        self.metrics.count("thumbs_total", good=str(request.good).lower())
        return thumb

    async def reward(self, request: RewardRequest) -> AnswerRewards:
        """Return the rewards of answers, in the request's turn.

        Raises:
            ApiError: the error for the client.
        """
        assert self.rewarder is not None
        rewarder = self.rewarder.rewarder
        async with self.gate.turn():
            async with self.gate.readers:
                reward_input = await asyncio.to_thread(read_reward, request, self.limits)
            prompts, answers = (
                [reward_input.prompt] * len(reward_input.answers),
                reward_input.answers,
            )
            with self.images.lend(reward_input.images):
                values = await self.thread.run(lambda: rewarder.reward(prompts, answers))
                words = None
                if self.rewarder.by_words is not None:
                    by_words = self.rewarder.by_words
                    words = await self.thread.run(lambda: by_words.reward_spans(prompts, answers))
        return AnswerRewards(_finite(values), words)

    async def answer(self, chat: ChatRequest, say: Say | None) -> ChatResult:
        """Answer a request in its turn; the text goes to `say` as soon as it is final.

        Raises:
            ApiError: the error for the client.
        """
        start = time.monotonic()
        async with self.gate.turn():
            async with self.gate.readers:
                chat_input = await asyncio.to_thread(read_chat, chat, self.limits)
            with self.images.lend(chat_input.images):
                result = await self._answer(chat, chat_input.request, say)
        self.metrics.record_duration(time.monotonic() - start)
        self.metrics.count("prompt_tokens_total", result.prompt_tokens)
        self.metrics.count("completion_tokens_total", result.completion_tokens)
        return result

    async def _answer(
        self, chat: ChatRequest, request: AnswerRequest, say: Say | None
    ) -> ChatResult:
        feedback: ChatFeedback | None = None
        if chat.candidates is None:
            answers = await self.backend.answer(request, say)
            replies = answers.replies
        else:
            start = time.monotonic()
            answers = await self.backend.answer(request)
            seconds = time.monotonic() - start
            feedback = await self._choose(request.prompt, answers.replies, chat, seconds)
            replies = [answers.replies[feedback.chosen]]
            if say is not None:
                say(0, replies[0].text)
        claims = await self._claims(request.prompt, replies) if chat.check else None
        tokens = sum(reply.tokens for reply in answers.replies)
        images = len(request.prompt.images)
        return ChatResult(replies, answers.prompt_tokens, tokens, feedback, claims, images)

    async def _choose(
        self, prompt: Prompt, candidates: Sequence[Reply], chat: ChatRequest, seconds: float
    ) -> ChatFeedback:
        """Choose the candidate with the highest reward; an empty one only if all are empty.

        Raises:
            ApiError: no candidate has a finite reward.
        """
        rewarder, normalise = self._rewarder_of(chat)
        texts = list(dict.fromkeys(reply.text for reply in candidates))
        start = time.monotonic()
        values = await self.thread.run(lambda: rewarder.reward([prompt] * len(texts), texts))
        reward = dict(zip(texts, _finite(values), strict=True))
        rewards = [reward[reply.text] for reply in candidates]
        if not any(value is not None for value in rewards):
            error = not_finite("rewards of all candidates", self.model)
            raise refusal(error) from error
        order = [
            (value is not None, bool(reply.text), value or 0.0)
            for reply, value in zip(candidates, rewards, strict=True)
        ]
        return ChatFeedback(
            n=len(candidates),
            distinct=len(texts),
            chosen=order.index(max(order)),
            rewards=rewards,
            tokens=sum(reply.tokens for reply in candidates),
            sample_seconds=seconds,
            score_seconds=time.monotonic() - start,
            normalise=normalise,
        )

    def _rewarder_of(self, chat: ChatRequest) -> tuple[Rewarder, float | None]:
        """Return who chooses, and the power of the length by which rewards are divided."""
        if chat.self_feedback is None:
            assert self.rewarder is not None
            return self.rewarder.rewarder, None
        assert self.rewarders is not None
        normalise = float(chat.self_feedback.normalise)
        return self.rewarders(normalise), normalise

    async def _claims(self, prompt: Prompt, replies: Sequence[Reply]) -> list[list[Claim]]:
        texts = [reply.text for reply in replies]
        claims_of_texts = await self.checks.do(_Texts(prompt, texts), size=len(texts))
        for claim in (claim for claims in claims_of_texts for claim in claims):
            self.metrics.count("claims_total", verdict=claim.status)
        return claims_of_texts

    def _check(self, places: Sequence[QueueEntry["_Texts", list[list[Claim]]]]) -> None:
        assert self.check is not None
        items = [place.item for place in places]
        prompts = [item.prompt for item in items for _ in item.texts]
        results = iter(self.check(prompts, [text for item in items for text in item.texts]))
        for place in places:
            place.end([next(results) for _ in place.item.texts])


def _finite(values: Sequence[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]


class _Texts(NamedTuple):
    """Answers to one prompt that need a check."""

    prompt: Prompt
    texts: list[str]
