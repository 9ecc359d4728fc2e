"""Rewards over HTTP: a `Rewarder` of your own in any language, behind one URL.

A request is about one prompt and all its answers:

    POST URL
    {"messages": [{"role": "user", "content": [...]}], "facts": [...], "options": [...],
     "answers": ["A red cup.", "Two cups."]}

`messages` are as in OpenAI's chat API, with images as data URLs. The reply has a number for each
answer, higher is better, or null where there is none:

    {"rewards": [0.7, -1.2]}
"""

import asyncio
import math
from collections.abc import Sequence
from typing import Any, cast

from groundtune.errors import UserError
from groundtune.generate.client import EndpointClient
from groundtune.generate.endpoint import EndpointLimits, EndpointSettings
from groundtune.generate.endpoint_body import DataUrls, chat_messages
from groundtune.generate.loop_thread import LoopThread
from groundtune.protocols import Images
from groundtune.records import Prompt
from groundtune.store.numbers import float_of

_FIX = 'Reply {"rewards": [...]} with one number or null per answer (docs/reward-custom.md).'


class HttpRewarder:
    """A `Rewarder` that asks a server; time-outs, retries and the key are those of endpoints."""

    def __init__(self, url: str, images: Images, limits: EndpointLimits | None = None) -> None:
        """Raise UserError if the key's variable holds what no header can."""
        settings = (limits or EndpointLimits()).model_dump()
        self.url = url
        self._urls = DataUrls(images)
        self._loop = LoopThread()
        try:
            self._client = self._loop.run(
                _open(EndpointSettings(model="reward", urls=(url,), **settings))
            )
        except BaseException:
            self._loop.stop()
            raise

    def close(self) -> None:
        """Close the connections and end the thread."""
        self._loop.run(self._client.close())
        self._loop.stop()

    def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        """Return a reward per answer, in order; NaN where the server has none.

        Raises:
            UserError: the server refuses a request, does not answer it in all tries, or sends
                something else than rewards.
        """
        groups: dict[str, list[int]] = {}
        for index, prompt in enumerate(prompts):
            groups.setdefault(prompt.key, []).append(index)
        requests = [
            (prompts[group[0]], [answers[index] for index in group]) for group in groups.values()
        ]
        replies = self._loop.run(self._all(requests))
        by_index = dict[int, float]()
        for group, rewards in zip(groups.values(), replies, strict=True):
            by_index |= dict(zip(group, rewards, strict=True))
        return [by_index[index] for index in range(len(prompts))]

    async def _all(self, requests: Sequence[tuple[Prompt, list[str]]]) -> list[list[float]]:
        return await asyncio.gather(*(self._one(prompt, answers) for prompt, answers in requests))

    async def _one(self, prompt: Prompt, answers: list[str]) -> list[float]:
        async with self._client.place():
            body = {
                "messages": chat_messages(prompt, self._urls),
                "facts": list(prompt.facts),
                "options": list(prompt.options),
                "answers": answers,
            }
            reply = await self._client.post("", body, prompt.key)
        return _rewards(reply, len(answers), self.url)


async def _open(settings: EndpointSettings) -> EndpointClient:
    return EndpointClient(settings)


def _rewards(reply: object, number: int, where: str) -> list[float]:
    value = cast("dict[str, Any]", reply).get("rewards") if isinstance(reply, dict) else None
    rewards = cast("list[object]", value) if isinstance(value, list) else None
    if rewards is None or len(rewards) != number:
        content = "no list of rewards" if rewards is None else f"{len(rewards)} rewards"
        raise UserError(f"The server's reply has {content} for {number} answers.", where, _FIX)
    numbers = [math.nan if each is None else float_of(each) for each in rewards]
    if None in numbers:
        wrong = rewards[numbers.index(None)]
        raise UserError(f"The server's reward {wrong!r} is not a number.", where, _FIX)
    return [number for number in numbers if number is not None]
