"""Converts a request's body to a prompt: checks limits and decodes images."""

import secrets
from codecs import BOM_UTF8
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from groundtune.records import ImagePart, Message, Part, Prompt, Sampling, Source, TextPart
from groundtune.serve.backend import AnswerRequest
from groundtune.serve.errors import ApiError, bad_body
from groundtune.serve.images import RequestImage, image_bytes, read_image
from groundtune.serve.limits import Limits
from groundtune.serve.schema import ChatRequest, ImageIn, MessageIn, RewardRequest, ThumbRequest
from groundtune.store.keys import key_of, seed_of

T = TypeVar("T", bound=BaseModel)

_STRUCTURE = 10_000
"""Maximum brackets or commas of a body, besides those in its texts."""
_HALF = "unexpected end of hex escape"
"""The parser's name for half a character."""


class ParsedChat(NamedTuple):
    """A valid request and its images."""

    request: AnswerRequest
    images: list[RequestImage]


class AnswersToReward(NamedTuple):
    """A valid request for rewards and its images."""

    prompt: Prompt
    answers: list[str]
    images: list[RequestImage]


def parse_chat(body: bytes, limits: Limits) -> ChatRequest:
    """Parse the request and check its limits. Images are not decoded yet.

    Raises:
        ApiError: not JSON, wrong types, unknown fields, or beyond a limit.
    """
    chat = _parsed(body, limits, ChatRequest)
    _check_messages(chat.messages, limits)
    _bound("n", chat.n or 1, limits.n, "answers")
    if chat.candidates is not None:
        name = _chooser(chat)
        _bound(f"{name}.n", chat.candidates, limits.candidates, "candidates")
        _refuse_conflicts(chat, name)
    return chat


def parse_reward(body: bytes, limits: Limits) -> RewardRequest:
    """Parse a request for rewards and check its limits. Images are not decoded yet.

    Raises:
        ApiError: as `parse_chat`.
    """
    request = _parsed(body, limits, RewardRequest)
    _check_messages(request.messages, limits)
    _bound("answers", len(request.answers), limits.candidates, "answers")
    for name in ("answers", "facts", "options"):
        letters = sum(map(len, getattr(request, name)))
        _bound(name, letters, limits.text_characters, "characters of text")
    return request


def parse_thumb(body: bytes, limits: Limits) -> ThumbRequest:
    """Parse a thumb and check its limits. Images are not decoded yet.

    Raises:
        ApiError: as `parse_chat`, or the answer is empty.
    """
    request = _parsed(body, limits, ThumbRequest)
    _check_messages(request.messages, limits)
    letters = len(request.answer) + len(request.note or "")
    _bound("answer", letters, limits.text_characters, "characters of text")
    if not request.answer.strip():
        raise ApiError("invalid_value", "The answer is empty.", param="answer")
    return request


def _parsed(body: bytes, limits: Limits, schema: type[T]) -> T:
    _refuse_many_parts(body, limits)
    try:
        fields: object = from_json(body.removeprefix(BOM_UTF8), allow_inf_nan=False)
    except ValueError as error:
        reason = str(error).replace(_HALF, "half a character (a lone surrogate)")
        raise ApiError("invalid_json", f"The body is not JSON: {reason}.") from error
    try:
        return schema.model_validate(fields)
    except ValidationError as error:
        raise bad_body(error) from error


def _check_messages(messages: Sequence[MessageIn], limits: Limits) -> None:
    images = sum(len(_images(message)) for message in messages)
    letters = sum(_letters(message) for message in messages)
    _bound("messages", len(messages), limits.messages, "messages")
    _bound("messages", images, limits.images, "images")
    _bound("messages", letters, limits.text_characters, "characters of text")
    if not any(message.role == "user" for message in messages):
        raise ApiError("invalid_value", "There is no user message.", param="messages")


def clamped_fields(chat: ChatRequest, limits: Limits) -> dict[str, dict[str, int]]:
    """Return the fields that a limit lowers: the requested and the used value."""
    name = "max_completion_tokens" if chat.max_completion_tokens else "max_tokens"
    requested: int = getattr(chat, name) or 1
    limit = limits.max_tokens
    return {name: {"requested": requested, "used": limit}} if requested > limit else {}


def read_chat(chat: ChatRequest, limits: Limits) -> ParsedChat:
    """Return the request with decoded images. Slow: run it in a thread.

    Raises:
        ApiError: an image can't be read.
    """
    messages, images = _read_messages(chat.messages, limits)
    seed = secrets.randbits(63) if chat.seed is None else chat.seed % 2**63
    answers = chat.candidates or chat.n or 1
    answer_request = AnswerRequest(
        prompt=Prompt(key=key_of("serve", messages), messages=messages),
        sampling=_sampling(chat, limits),
        seeds=(seed, *(seed_of("serve", seed, i) for i in range(1, answers))),
        stops=chat.stops,
        messages=[_plain(message) for message in chat.messages],
    )
    return ParsedChat(answer_request, images)


def read_reward(request: RewardRequest, limits: Limits) -> AnswersToReward:
    """Return a request for rewards with decoded images. Slow: run it in a thread.

    Raises:
        ApiError: an image can't be read.
    """
    messages, images = _read_messages(request.messages, limits)
    facts, options = tuple(request.facts), tuple(request.options)
    key = key_of("serve", messages, facts, options)
    prompt = Prompt(key=key, messages=messages, facts=facts, options=options)
    return AnswersToReward(prompt, request.answers, images)


def read_thumb(request: ThumbRequest, limits: Limits) -> tuple[Prompt, list[bytes]]:
    """Return what a thumb is about, and the bytes of its images. Slow: run it in a thread.

    Raises:
        ApiError: an image can't be read.
    """
    messages, _ = _read_messages(request.messages, limits)
    prompt = Prompt(
        key=key_of("serve", messages), messages=messages, source=Source(dataset="served")
    )
    urls = [part.image_url.url for each in request.messages for part in _images(each)]
    return prompt, [image_bytes(url, limits, "messages") for url in dict.fromkeys(urls)]


def _read_messages(
    messages_in: Sequence[MessageIn], limits: Limits
) -> tuple[tuple[Message, ...], list[RequestImage]]:
    images: list[RequestImage] = []
    messages = tuple(
        _message(message, f"messages.{i}.content", limits, images)
        for i, message in enumerate(messages_in)
    )
    return messages, images


def _refuse_many_parts(body: bytes, limits: Limits) -> None:
    """Check the body before parsing: a few megabytes of brackets become hundreds as objects.

    Almost all brackets and commas of a valid request are in its texts; base64 has none.
    """
    max_marks = limits.text_characters + _STRUCTURE
    if any(body.count(mark) > max_marks for mark in (b"{", b"[", b",")):
        raise ApiError("limit_exceeded", "The body has too many parts.")


def _chooser(chat: ChatRequest) -> str:
    """Return the field that asks for the best of several answers."""
    return "self_feedback" if chat.self_feedback is not None else "reward"


def _refuse_conflicts(chat: ChatRequest, name: str) -> None:
    if chat.self_feedback is not None and chat.reward is not None:
        message = "self_feedback and reward both choose the answer: use one of them."
        raise ApiError("invalid_value", message, param="reward")
    if (chat.n or 1) > 1:
        raise ApiError("invalid_value", f"{name} gives one answer: n must be 1.", param="n")
    if chat.temperature == 0 and (chat.candidates or 1) > 1:
        raise ApiError(
            "invalid_value",
            "Greedy decoding (temperature 0) gives one answer, so there is nothing to choose from.",
            param="temperature",
        )


def _sampling(chat: ChatRequest, limits: Limits) -> Sampling:
    requested = chat.max_completion_tokens or chat.max_tokens or limits.default_tokens
    return Sampling(
        max_new_tokens=min(requested, limits.max_tokens),
        temperature=1.0 if chat.temperature is None else chat.temperature,
        top_p=chat.top_p or 1.0,
        top_k=max(chat.top_k or 0, 0),
    )


def _message(message: MessageIn, where: str, limits: Limits, images: list[RequestImage]) -> Message:
    role = "system" if message.role == "developer" else message.role
    parts_in = message.parts
    if isinstance(parts_in, str):
        return Message(role=role, content=(TextPart(text=parts_in),))
    parts: list[Part] = []
    for i, part in enumerate(parts_in):
        if isinstance(part, ImageIn):
            param = f"{where}.{i}.image_url.url"
            pixels = sum(image.image.width * image.image.height for image in images)
            images.append(read_image(part.image_url.url, limits, param, pixels=pixels))
            parts.append(ImagePart(image=images[-1].sha256))
        else:
            parts.append(TextPart(text=part.text))
    return Message(role=role, content=tuple(parts))


def _plain(message: MessageIn) -> dict[str, Any]:
    """Return the message in the form that every server reads: refusals become texts."""
    parts = message.parts
    content: str | list[dict[str, Any]] = parts if isinstance(parts, str) else []
    if isinstance(parts, list):
        content = [
            part.model_dump(exclude_none=True)
            if isinstance(part, ImageIn)
            else {"type": "text", "text": part.text}
            for part in parts
        ]
    name = {} if message.name is None else {"name": message.name}
    return {"role": message.role, "content": content} | name


def _images(message: MessageIn) -> list[ImageIn]:
    parts = [] if isinstance(message.parts, str) else message.parts
    return [part for part in parts if isinstance(part, ImageIn)]


def _letters(message: MessageIn) -> int:
    parts = message.parts
    if isinstance(parts, str):
        return len(parts)
    return sum(len(part.text) for part in parts if not isinstance(part, ImageIn))


def _bound(param: str, value: int, limit: int, unit: str) -> None:
    if value > limit:
        message = f"{param}: {value} {unit}, at most {limit}."
        raise ApiError("limit_exceeded", message, param=param)
