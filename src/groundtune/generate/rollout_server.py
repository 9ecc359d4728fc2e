"""Answers to learn from, by an OpenAI-compatible server that returns tokens: vLLM's API.

The server gets messages and images, never token ids, so that its processor expands the images. It
returns the prompt's tokens, the answer's tokens and their log-probabilities (`return_token_ids`,
`logprobs`). New weights are a new adapter under a new name (`load_lora_adapter`), so no cache of an
earlier one can be used for it. A server refuses a name that it has already.
"""

import asyncio
import math
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, as_completed
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from groundtune.errors import UserError
from groundtune.generate.client import EndpointClient, EndpointFault
from groundtune.generate.endpoint import CHAT, EndpointSettings
from groundtune.generate.endpoint_body import DataUrls, chat_body, chat_messages
from groundtune.generate.loop_thread import LoopThread
from groundtune.protocols import Images
from groundtune.records import Prompt, Sampling

BAN = -100
"""The API's bias of a token that is never drawn."""
ALREADY = "already been loaded"
"""What vLLM says of a name that it has; ours are never used twice."""
NEEDS = (
    "Use a server that takes return_token_ids and logprobs, as vLLM does from version 0.10.2 on; a "
    "gateway in front of it may drop them."
)


class WantedAnswer(NamedTuple):
    """One answer that is wanted."""

    prompt: Prompt
    ids: tuple[int, ...]
    """The prompt's tokens as the trainer has them, images expanded."""
    seed: int


class ServedAnswer(NamedTuple):
    """One answer as the server drew it."""

    ids: tuple[int, ...]
    logp: tuple[float, ...]
    finish: Literal["stop", "length"]
    """Whether it ended by itself or was truncated."""


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
        """Have every server load an adapter, under a name that no other adapter ever had.

        Raises:
            UserError: a server can't, or can't be reached.
        """
        try:
            body = {"lora_name": name, "lora_path": str(folder.absolute())}
            self._loop.run(self._client.command("/load_lora_adapter", body))
        except EndpointFault as fault:
            if ALREADY not in fault.why:  # the reply to an earlier try was lost
                raise UserError(
                    f"The server does not load the adapter of the new weights: {fault.why}",
                    self.settings.urls[0],
                    "Start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, on a "
                    "disk that both see.",
                ) from fault
        self._adapter = name

    def unload(self, name: str) -> None:
        """Have every server forget an adapter; one that a server doesn't have is no fault.

        Raises:
            UserError: a server can't be reached, or refuses.
        """
        try:
            self._loop.run(self._client.command("/unload_lora_adapter", {"lora_name": name}))
        except EndpointFault as fault:
            if fault.status not in (400, 404):  # it was started again, say
                raise

    def draw(
        self, requests: Sequence[WantedAnswer], sampling: Sampling, *, image_ids: Collection[int]
    ) -> Iterator[tuple[int, ServedAnswer]]:
        """Yield the answer to each request with the request's number, as soon as it is there.

        After a fault no further request is sent; the answers to those under way are yielded before
        the fault is raised.

        Args:
            requests: What is asked.
            sampling: How answers are drawn.
            image_ids: Placeholders of images, which are never drawn.

        Raises:
            UserError: the server read other tokens of the prompt, or returns no tokens or no
                log-probabilities; or it can't be reached.
        """
        drawing = _Requests(self._client, self.settings, self._urls, self._adapter, sampling)
        futures: dict[Future[ServedAnswer | None], int] = {
            self._loop.submit(drawing.answer(request, frozenset(image_ids))): number
            for number, request in enumerate(requests)
        }
        fault: BaseException | None = None
        try:
            for future in as_completed(futures):
                if (error := future.exception()) is not None:
                    fault = fault or error
                elif (answer := future.result()) is not None:
                    yield futures[future], answer
        finally:
            for future in futures:
                future.cancel()
        if fault is not None:
            raise fault


class _Requests:
    """The requests of one draw: none is sent after one failed."""

    def __init__(
        self,
        client: EndpointClient,
        settings: EndpointSettings,
        urls: DataUrls,
        adapter: str,
        sampling: Sampling,
    ) -> None:
        self._client, self._settings, self._urls = client, settings, urls
        self._adapter, self._sampling = adapter, sampling
        self._failed = False

    async def answer(self, request: WantedAnswer, image_ids: frozenset[int]) -> ServedAnswer | None:
        """Return the answer; None if an earlier request failed."""
        prompt = request.prompt
        async with self._client.place():
            if self._failed:
                return None
            try:
                messages = await asyncio.to_thread(chat_messages, prompt, self._urls)
                body = self._body(messages, request.seed, image_ids)
                reply = await self._client.post(CHAT, body, (*prompt.images, prompt.key)[0])
                where = f"{self._settings.urls[0]}, prompt {prompt.key}"
                return read_answer(reply, request.ids, image_ids, where)
            except BaseException:
                self._failed = True
                raise

    def _body(
        self, messages: list[dict[str, Any]], seed: int, image_ids: frozenset[int]
    ) -> dict[str, Any]:
        body = chat_body(self._settings, messages, self._sampling, seed=seed)
        body |= {"model": self._adapter} if self._adapter else {}
        body |= {"logprobs": True, "return_token_ids": True, "repetition_penalty": 1.0}
        body |= {"logit_bias": {str(i): BAN for i in sorted(image_ids)}} if image_ids else {}
        return body


def read_answer(
    reply: object, ids: tuple[int, ...], image_ids: frozenset[int], where: str
) -> ServedAnswer:
    """Return the answer of a reply, once its prompt's tokens are those of the trainer.

    Raises:
        UserError: they are not; tokens or log-probabilities are missing; it has a placeholder of an
            image; or it ended for another reason than an end token or the limit.
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
    if placeholders := sorted(image_ids.intersection(answer_ids)):
        raise UserError(
            f"The server drew the placeholder of an image (token {placeholders[0]}).",
            where,
            "Use a server that obeys logit_bias, as vLLM does.",
        )
    finish = choice.get("finish_reason")
    if finish not in ("stop", "length"):
        raise UserError(
            f"The server ended an answer by {finish!r}, neither by itself nor at the limit.",
            where,
            "Serve the model without filters, tools and stop words, and without restarts.",
        )
    return ServedAnswer(answer_ids, logp, finish)


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
    return tuple(each for each in numbers if math.isfinite(each))


async def _open(settings: EndpointSettings) -> EndpointClient:
    return EndpointClient(settings)
