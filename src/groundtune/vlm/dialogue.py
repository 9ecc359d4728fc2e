"""A dialogue's rounds as one answer: its first question is the prompt, all else follows it.

Tokens are those of the rendered chat template. Only answers count, each with its end token; the
questions between them, and what the template writes around them, are read and don't count.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from groundtune.errors import UnfitError
from groundtune.records import ImagePart, Message, Prompt
from groundtune.vlm.encode import continuation, special_in_prompt
from groundtune.vlm.encoded import EncodedAnswer
from groundtune.vlm.special_tokens import refusal, special_in
from groundtune.vlm.template import render

if TYPE_CHECKING:
    from groundtune.vlm.load import Vlm

_FIX = "Learn only the last answer: data.rounds=last."


class EncodedRounds(NamedTuple):
    """All rounds after the first question."""

    answer: EncodedAnswer
    counted: tuple[bool, ...]
    """Whether a token belongs to an answer."""


def opening(prompt: Prompt) -> Prompt | None:
    """Return a dialogue's prompt up to its first answer; None if it has no answer."""
    roles = [message.role for message in prompt.messages]
    if "assistant" not in roles:
        return None
    messages = prompt.messages[: roles.index("assistant")]
    return prompt.model_copy(update={"key": f"{prompt.key}/opening", "messages": messages})


def encode_rounds(vlm: "Vlm", prompt: Prompt, answer: str) -> EncodedRounds:
    """Return what follows the `opening` of a prompt: its answers and questions, and `answer`.

    Raises:
        UnfitError: a text spells a special token, an image comes after the first answer, or the
            chat template doesn't keep a dialogue's earlier rounds as they were.
    """
    where = f"prompt {prompt.key}"
    messages = [_plain(message) for message in prompt.messages]
    messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    answers = [place for place, each in enumerate(messages) if each["role"] == "assistant"]
    later = prompt.messages[answers[0] :]
    if any(isinstance(part, ImagePart) for message in later for part in message.content):
        raise UnfitError("An image comes after the dialogue's first answer.", where, _FIX)
    if special := special_in_prompt(vlm, prompt) or special_in(vlm, [answer], "assistant"):
        raise refusal(vlm, special, "The dialogue", where)
    start = len(render(vlm.processor, messages[: answers[0]], generate=True))
    whole = render(vlm.processor, messages, generate=False)
    answer_ranges: list[tuple[int, int]] = []
    for place in answers:
        before = render(vlm.processor, messages[:place], generate=True)
        turn_text = vlm.form.lead + _text(messages[place])
        if not whole.startswith(before + turn_text):
            raise UnfitError(
                "The chat template doesn't keep a dialogue's earlier rounds as they were.",
                where,
                _FIX,
            )
        answer_ranges.append((len(before) - start, len(before) + len(turn_text) - start))
    return _encode(vlm, whole[start:], answer_ranges)


def _encode(vlm: "Vlm", text: str, answer_ranges: Sequence[tuple[int, int]]) -> EncodedRounds:
    """Encode what follows the opening; `answer_ranges` are the answers' characters."""
    ids, offsets = continuation(vlm, text)
    counted: list[bool] = []
    ids_kept: list[int] = []
    ends = {end for _, end in answer_ranges}
    last = answer_ranges[-1][1]
    for token, (start, end) in zip(ids, offsets, strict=True):
        if start >= last:
            break
        closes = start in ends and token in vlm.eos_ids
        counted.append(closes or any(max(start, a) < min(end, b) for a, b in answer_ranges))
        ids_kept.append(token)
    answer = EncodedAnswer(ids=(*ids_kept, vlm.form.eos), offsets=((0, 0),) * (len(ids_kept) + 1))
    return EncodedRounds(answer, (*counted, True))


def _plain(message: Message) -> dict[str, Any]:
    """Return a message for the chat template, without its images' pixels."""
    content: list[dict[str, str]] = [
        {"type": "image"} if isinstance(part, ImagePart) else {"type": "text", "text": part.text}
        for part in message.content
    ]
    return {"role": message.role, "content": content}


def _text(message: dict[str, Any]) -> str:
    return "".join(part["text"] for part in message["content"])
