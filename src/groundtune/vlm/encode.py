"""Encode prompts and answers as tokens.

An answer is encoded after a short context that ends where the model starts to generate. Its tokens
are thus those of a continuation, including the space before the first word, and its offsets index
the exact text.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from groundtune.errors import UnfitError, UserError
from groundtune.protocols import Images
from groundtune.records import ImagePart, Message, Prompt
from groundtune.vlm.encoded import EncodedAnswer, EncodedPrompt
from groundtune.vlm.family import family_of
from groundtune.vlm.plain import plain_model
from groundtune.vlm.special_tokens import (
    characters,
    encode_characters,
    expand_prompt,
    mark_special,
    no_stand_in,
    refusal,
    special_in,
    stand_ins,
)
from groundtune.vlm.template import render

if TYPE_CHECKING:
    from groundtune.vlm.load import Vlm

_ROWS = {"input_ids", "attention_mask"}
_TARGETS = {"labels"}
"""What a processor returns for its own loss: nothing here uses it."""
TOKEN_MARKS = {
    "token_type_ids",
    "mm_token_type_ids",
    "moe_mm_token_type_ids",
    "image_embeds_position_mask",
}
"""Arguments of forward with a value per token, 0 for text. Shapes don't tell: an instruction may
have as many tokens for an image encoder's own tokenizer."""


def encode_prompt(vlm: "Vlm", prompt: Prompt, images: Images) -> EncodedPrompt:
    """Return a prompt in the model's chat template with its preprocessed images.

    Raises:
        UnfitError: a text contains a special token or the image placeholder and
            `vlm.special_tokens` refuses them, the family needs another number of images, its
            processor refuses the prompt, or this is longer than the model's maximum.
        UserError: an image is missing or unreadable.
    """
    _check_images(vlm, prompt)
    texts = _texts(prompt)
    special = special_in_prompt(vlm, prompt)
    if not special:
        return _encode(vlm, prompt, images, texts)
    if vlm.special_tokens == "refuse":
        raise refusal(vlm, special, "The prompt's text", f"prompt {prompt.key}")
    return _encode_special(vlm, prompt, images, texts)


def _check_images(vlm: "Vlm", prompt: Prompt) -> None:
    family = family_of(plain_model(vlm.model))
    if family.one_image and len(prompt.images) != 1:
        raise UnfitError(
            f"{family.name} needs exactly one image per prompt, and this one has "
            f"{len(prompt.images)}.",
            _named(prompt),
            "Change the prompt, or remove it.",
        )


def special_in_prompt(vlm: "Vlm", prompt: Prompt) -> str:
    """Return a special token or placeholder that a prompt's texts spell, "" if there is none."""
    return _special_in_any(vlm, prompt, _texts(prompt))


def _special_in_any(vlm: "Vlm", prompt: Prompt, texts: Sequence[Sequence[str]]) -> str:
    roles = [message.role for message in prompt.messages]
    specials = (
        special_in(vlm, message_texts, role)
        for message_texts, role in zip(texts, roles, strict=True)
    )
    return next(filter(None, specials), "")


def _texts(prompt: Prompt) -> tuple[tuple[str, ...], ...]:
    return tuple(
        tuple(part.text for part in message.content if not isinstance(part, ImagePart))
        for message in prompt.messages
    )


def _encode_special(
    vlm: "Vlm", prompt: Prompt, images: Images, texts: Sequence[Sequence[str]]
) -> EncodedPrompt:
    """Encode a prompt whose special tokens are characters."""
    where = f"prompt {prompt.key}"
    marked_texts = mark_special(vlm, texts, [message.role for message in prompt.messages])
    if remaining := _special_in_any(vlm, prompt, marked_texts.texts):
        raise refusal(vlm, remaining, "The prompt's text, its parts joined,", where)
    tokens = [characters(vlm, name) for name in marked_texts.special]
    messages = _messages(prompt, images, marked_texts.texts)
    rendered = render(vlm.processor, messages, generate=True)
    order = marked_texts.order(rendered)
    for stand_in, name in stand_ins(vlm, rendered):
        encoded = _encode(vlm, prompt, images, marked_texts.with_stand_in(name))
        if any(name.endswith("_input_ids") for name in encoded.features):
            raise no_stand_in(where)  # an image encoder's own tokenizer would read the stand-in
        if encoded.ids.count(stand_in) == len(order):
            return expand_prompt(vlm, encoded, stand_in, [tokens[number] for number in order])
    raise no_stand_in(where)


def _named(prompt: Prompt) -> str:
    """A prompt as errors name it: its key, and the file and row that it was read from."""
    source = prompt.source
    row = f", row {source.row}" if source.row else ""
    return f"prompt {prompt.key}" + (f" ({source.dataset}{row})" if source.dataset else "")


def _encode(
    vlm: "Vlm", prompt: Prompt, images: Images, texts: Sequence[Sequence[str]]
) -> EncodedPrompt:
    """Encode a prompt with these texts of its messages."""
    from jinja2 import TemplateError

    messages = _messages(prompt, images, texts)
    try:
        encoded = vlm.processor.apply_chat_template(
            messages,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
    except (ValueError, TemplateError) as error:  # some families need an image in every prompt
        raise UnfitError(
            f"The model's processor refuses the prompt: {error}",
            _named(prompt),
            "Change the prompt, or remove it.",
        ) from error
    ids = encoded["input_ids"]
    rest = {
        name: value
        for name, value in encoded.items()
        if name not in _ROWS | _TARGETS and hasattr(value, "shape")
    }
    marks = {name: value[0] for name, value in rest.items() if name in TOKEN_MARKS}
    per_token = {name for name, value in rest.items() if value.shape == ids.shape}
    _refuse_unknown(vlm, per_token - marks.keys())
    if 0 < vlm.max_tokens < ids.shape[1]:
        raise UnfitError(
            f"The prompt has {ids.shape[1]} tokens, over the model's maximum of {vlm.max_tokens} "
            "(max_position_embeddings).",
            _named(prompt),
            "Shorten the prompt, use fewer or smaller images, or remove it.",
        )
    return EncodedPrompt(
        ids=tuple(ids[0].tolist()),
        features={name: value for name, value in rest.items() if name not in marks},
        marks=marks,
        images=prompt.images,
    )


def _refuse_unknown(vlm: "Vlm", names: set[str]) -> None:
    """Refuse fields that may have a value per token, of a family about which nothing is known."""
    unknown = sorted(name for name in names if not name.startswith("qformer_"))
    family = family_of(plain_model(vlm.model))
    if unknown and not family.is_listed:
        raise UserError(
            f"The processor returns {unknown[0]}, which seems to have a value per token, and it "
            "isn't known what an answer's tokens get.",
            f"{vlm.name} ({family.name})",
            "Use a family of docs/families.md.",
        )


def encode_answer(vlm: "Vlm", text: str) -> EncodedAnswer:
    """Return an answer's tokens and their characters. Empty text is only the end of sequence.

    Raises:
        UserError: the text contains a special token and `vlm.special_tokens` refuses them.
    """
    if not text:
        return EncodedAnswer(ids=(vlm.form.eos,), offsets=((0, 0),))
    ids, offsets = continuation(vlm, vlm.form.lead + text)
    if not vlm.special_ids.isdisjoint(ids):
        if vlm.special_tokens == "refuse":
            raise refusal(
                vlm, special_in(vlm, [text], "assistant"), "The answer", f"answer {text[:60]!r}"
            )
        ids, offsets = encode_characters(
            vlm, text, lambda stand_in_text: continuation(vlm, vlm.form.lead + stand_in_text)
        )
    shift = len(vlm.form.lead)
    shifted = tuple((max(0, start - shift), max(0, end - shift)) for start, end in offsets)
    return EncodedAnswer(ids=(*ids, vlm.form.eos), offsets=(*shifted, (len(text), len(text))))


def decode_answer(vlm: "Vlm", ids: Sequence[int]) -> str:
    """Return the text of generated tokens without special tokens and surrounding white space.

    No other code strips an answer's white space.
    """
    return _raw_text(vlm, ids).strip()


def drawn_offsets(vlm: "Vlm", ids: Sequence[int], text: str) -> tuple[tuple[int, int], ...]:
    """Return the characters [start, end) of `text` for each token that a model generated.

    `text` is the end of what `decode_answer` makes of the ids. The tokens are not encoded again:
    where encoding the text gives other ones, each token's characters are those that it adds to the
    text of the tokens before it. Tokens without characters of the text have an empty span.
    """
    encoded = encode_answer(vlm, text) if vlm.special_ids.isdisjoint(ids[:-1]) else None
    if encoded is not None and encoded.ids[: len(ids)] == tuple(ids):
        return encoded.offsets[: len(ids)]
    texts = [_raw_text(vlm, ids[:length]) for length in range(len(ids) + 1)]
    shift = texts[-1].rfind(text)
    edges = [
        (len(before.rstrip("\ufffd")) - shift, len(after) - shift)
        for before, after in pairwise(texts)
    ]
    return tuple((_within(start, text), _within(end, text)) for start, end in edges)


def _raw_text(vlm: "Vlm", ids: Sequence[int]) -> str:
    return vlm.processor.tokenizer.decode(
        list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
    )


def _within(place: int, text: str) -> int:
    return min(max(place, 0), len(text))


def first_tokens(vlm: "Vlm", words: Sequence[str]) -> set[int]:
    """Return the tokens with which an answer of one of the words can begin, after `lead_tokens`.

    Try each word after the template's lead, after a space and alone. Return the tokens that are
    whole words. First pieces of words ("y" of "yes") also begin other words; return them only if
    no word is a single token.
    """
    whole: set[int] = set()
    pieces: set[int] = set()
    for word in words:
        for lead in {vlm.form.lead, " ", ""}:
            ids, offsets = continuation(vlm, lead + word)
            first = _lead_length(offsets, len(lead))
            (whole if first == len(ids) - 1 else pieces).add(ids[first])
    return whole or pieces


def lead_tokens(vlm: "Vlm") -> list[int]:
    """Return the tokens before every answer's text; none if the first word includes the lead."""
    ids, offsets = continuation(vlm, vlm.form.lead + "Yes")
    return ids[: _lead_length(offsets, len(vlm.form.lead))]


def _lead_length(offsets: Sequence[tuple[int, int]], lead: int) -> int:
    """Return how many tokens end within the first `lead` characters."""
    return sum(end <= lead for _, end in offsets)


def continuation(vlm: "Vlm", text: str) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the tokens of a text after the generation prompt, with offsets into that text."""
    context = vlm.form.context
    encoded = vlm.processor.tokenizer(
        context + text, add_special_tokens=False, return_offsets_mapping=True
    )
    ids = cast("list[int]", encoded["input_ids"])
    offsets = cast("list[tuple[int, int]]", encoded["offset_mapping"])
    border = len(context)
    # zero-width tokens at the border (a tokenizer's dummy prefix) belong to the context
    first = next(i for i, (_, end) in enumerate(offsets) if end > border)
    shifted = [(max(0, start - border), end - border) for start, end in offsets[first:]]
    return ids[first:], shifted


def _messages(
    prompt: Prompt, images: Images, texts: Sequence[Sequence[str]]
) -> list[dict[str, Any]]:
    """Return a prompt's messages for the chat template, with these texts."""
    return [
        _message(message, images, message_texts)
        for message, message_texts in zip(prompt.messages, texts, strict=True)
    ]


def _message(message: Message, images: Images, texts: Sequence[str]) -> dict[str, Any]:
    each = iter(texts)
    content: list[dict[str, Any]] = [
        {"type": "image", "image": images.open(part.image)}
        if isinstance(part, ImagePart)
        else {"type": "text", "text": next(each)}
        for part in message.content
    ]
    return {"role": message.role, "content": content}
