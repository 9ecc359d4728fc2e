"""Answers to learn from, by an OpenAI-compatible server that returns tokens: vLLM's API.

The server gets messages and images, never token ids, so that its processor expands the images. It
returns the prompt's tokens, the answer's tokens and their log-probabilities (`return_token_ids`,
`logprobs`). New weights are a new adapter under a new name (`load_lora_adapter`), so no cache of an
earlier one can be used for it.
"""

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from groundtune.errors import UserError
from groundtune.generate.client import EndpointClient, EndpointFault
from groundtune.generate.endpoint import CHAT, EndpointSettings
from groundtune.generate.endpoint_body import DataUrls, chat_body, chat_messages
from groundtune.generate.loop_thread import LoopThread
from groundtune.protocols import Images
from groundtune.records import Prompt, Sampling

BAN = -100
"""The API's bias of a token that is never drawn."""
NEEDS = (
    "Use a server that takes return_token_ids and logprobs, as vLLM does from version 0.10.2 on; a "
    "gateway in front of it may drop them."
)


class ServedAnswer(NamedTuple):
    """One answer as the server drew it."""

    ids: tuple[int, ...]
    logp: tuple[float, ...]
    stopped: bool
    """Whether it ended by itself."""


class RolloutServer:
    """Draws answers with the adapter that was loaded last, or with the served model at first."""

    def __init__(self, settings: EndpointSettings, images: Images) -> None:
        self.settings = settings
        self._urls = DataUrls(images)
        self._loop = LoopThread()
        self._client = self._loop.run(_open(settings))
        self._adapter = ""

    def close(self) -> None:
        """Close the connections and end the thread."""
        self._loop.run(self._client.close())
        self._loop.stop()

    def load(self, name: str, folder: Path) -> None:
        """Have every server load an adapter under a new name, and forget the one before.

        Raises:
            UserError: a server can't, or can't be reached.
        """
        try:
            body = {"lora_name": name, "lora_path": str(folder.absolute())}
            self._loop.run(self._client.command("/load_lora_adapter", body))
            if self._adapter:
                self._loop.run(
                    self._client.command("/unload_lora_adapter", {"lora_name": self._adapter})
                )
        except EndpointFault as fault:
            raise UserError(
                f"The server does not load the adapter of the new weights: {fault.why}",
                self.settings.urls[0],
                "Start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, on a "
                "disk that both see.",
            ) from fault
        self._adapter = name

    def draw(
        self,
        prompt: Prompt,
        ids: Sequence[int],
        sampling: Sampling,
        seeds: Sequence[int],
        *,
        image_ids: Collection[int],
    ) -> list[ServedAnswer]:
        """Return an answer per seed.

        Args:
            prompt: What is asked.
            ids: Its tokens as the trainer has them, images expanded.
            sampling: How answers are drawn.
            seeds: A seed per answer.
            image_ids: Placeholders of images, which are never drawn.

        Raises:
            UserError: the server read other tokens of the prompt, or returns no tokens or no
                log-probabilities.
        """
        return self._loop.run(self._all(prompt, tuple(ids), sampling, seeds, frozenset(image_ids)))

    async def _all(
        self,
        prompt: Prompt,
        ids: tuple[int, ...],
        sampling: Sampling,
        seeds: Sequence[int],
        image_ids: frozenset[int],
    ) -> list[ServedAnswer]:
        work = [self._one(prompt, ids, sampling, seed, image_ids) for seed in seeds]
        return list(await asyncio.gather(*work))

    async def _one(
        self,
        prompt: Prompt,
        ids: tuple[int, ...],
        sampling: Sampling,
        seed: int,
        image_ids: frozenset[int],
    ) -> ServedAnswer:
        async with self._client.place():
            messages = await asyncio.to_thread(chat_messages, prompt, self._urls)
            body = chat_body(self.settings, messages, sampling, seed=seed)
            body |= {"model": self._adapter} if self._adapter else {}
            body |= {"logprobs": True, "return_token_ids": True, "repetition_penalty": 1.0}
            body |= {"logit_bias": {str(i): BAN for i in sorted(image_ids)}} if image_ids else {}
            reply = await self._client.post(CHAT, body, (*prompt.images, prompt.key)[0])
        where = f"{self.settings.urls[0]}, prompt {prompt.key}"
        return read_answer(reply, ids, image_ids, where)


def read_answer(
    reply: object, ids: tuple[int, ...], image_ids: frozenset[int], where: str
) -> ServedAnswer:
    """Return the answer of a reply, once its prompt's tokens are those of the trainer.

    Raises:
        UserError: they are not, or tokens or log-probabilities are missing.
    """
    whole = _mapping(reply)
    choices = _items(whole.get("choices"))
    choice = _mapping(choices[0]) if choices else {}
    prompt_ids, answer_ids = _ints(whole.get("prompt_token_ids")), _ints(choice.get("token_ids"))
    if prompt_ids is None or not answer_ids:
        raise UserError("The server does not return the tokens it read and drew.", where, NEEDS)
    if prompt_ids not in (ids, _unexpanded(ids, image_ids)):
        place = next(
            (i for i, (a, b) in enumerate(zip(prompt_ids, ids, strict=False)) if a != b), None
        )
        at = (
            f"first at token {place}"
            if place is not None
            else f"{len(prompt_ids)} against {len(ids)}"
        )
        raise UserError(
            f"The server read other tokens of a prompt than the trainer: {at}.",
            where,
            "Serve the same model with the same processor, chat template and image settings.",
        )
    logp = _logps(choice.get("logprobs"))
    if logp is None or len(logp) != len(answer_ids):
        raise UserError(
            f"The server returns {len(logp or ())} log-probabilities of {len(answer_ids)} tokens.",
            where,
            NEEDS,
        )
    return ServedAnswer(answer_ids, logp, choice.get("finish_reason") == "stop")


def _unexpanded(ids: tuple[int, ...], image_ids: frozenset[int]) -> tuple[int, ...]:
    """Return the tokens with each run of one placeholder as a single token.

    Some servers return a prompt as it was before its images were expanded.
    """
    collapsed = [
        token
        for place, token in enumerate(ids)
        if token not in image_ids or place == 0 or ids[place - 1] != token
    ]
    return tuple(collapsed)


def _mapping(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _items(value: object) -> list[object] | None:
    return cast("list[object]", value) if isinstance(value, list) else None


def _ints(value: object) -> tuple[int, ...] | None:
    items = _items(value)
    return None if items is None else tuple(i for i in items if isinstance(i, int))


def _logps(value: object) -> tuple[float, ...] | None:
    content = _items(_mapping(value).get("content"))
    if content is None:
        return None
    values = [_mapping(each).get("logprob") for each in content]
    numbers = [float(each) for each in values if isinstance(each, int | float)]
    return tuple(numbers) if len(numbers) == len(values) else None


async def _open(settings: EndpointSettings) -> EndpointClient:
    return EndpointClient(settings)
