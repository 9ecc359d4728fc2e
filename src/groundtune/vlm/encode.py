"""Encode prompts and answers as tokens.

An answer is encoded after a short context that ends where the model starts to generate. Its tokens
are thus those of a continuation, including the space before the first word, and its offsets index
the exact text.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from groundtune.errors import UserError
from groundtune.protocols import Images
from groundtune.records import ImagePart, Message, Prompt
from groundtune.vlm.encoded import EncodedAnswer, EncodedPrompt

if TYPE_CHECKING:
    from groundtune.vlm.load import Vlm

_ROWS = {"input_ids", "attention_mask"}


def encode_prompt(vlm: "Vlm", prompt: Prompt, images: Images) -> EncodedPrompt:
    """Return a prompt in the model's chat template with its preprocessed images.

    Raises:
        UserError: an image is missing or unreadable, or the text contains the image placeholder.
    """
    marker = vlm.image_token
    messages = [_message(message, images, marker, prompt.key) for message in prompt.messages]
    encoded = vlm.processor.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    ids = encoded["input_ids"]
    rest = {
        name: value
        for name, value in encoded.items()
        if name not in _ROWS and hasattr(value, "shape")
    }
    marks = {name: value[0] for name, value in rest.items() if value.shape == ids.shape}
    return EncodedPrompt(
        ids=tuple(ids[0].tolist()),
        features={name: value for name, value in rest.items() if name not in marks},
        marks=marks,
        images=prompt.images,
    )


def encode_answer(vlm: "Vlm", text: str) -> EncodedAnswer:
    """Return an answer's tokens and their characters. Empty text is only the end of sequence.

    Raises:
        UserError: the text contains one of the tokenizer's special tokens.
    """
    if not text:
        return EncodedAnswer(ids=(vlm.form.eos,), offsets=((0, 0),))
    ids, offsets = _continue(vlm, vlm.form.lead + text)
    if special := set(ids) & vlm.special_ids:
        name = vlm.processor.tokenizer.convert_ids_to_tokens(min(special))
        raise UserError(
            f"The answer contains the special token {name!r}.",
            f"answer {text[:60]!r}",
            "Remove it from the text.",
        )
    shift = len(vlm.form.lead)
    shifted = tuple((max(0, start - shift), max(0, end - shift)) for start, end in offsets)
    return EncodedAnswer(ids=(*ids, vlm.form.eos), offsets=(*shifted, (len(text), len(text))))


def decode_answer(vlm: "Vlm", ids: Sequence[int]) -> str:
    """Return the text of generated tokens without special tokens and surrounding white space.

    No other code strips an answer's white space.
    """
    text: str = vlm.processor.tokenizer.decode(
        list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return text.strip()


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
            ids, offsets = _continue(vlm, lead + word)
            first = _lead_length(offsets, len(lead))
            (whole if first == len(ids) - 1 else pieces).add(ids[first])
    return whole or pieces


def lead_tokens(vlm: "Vlm") -> list[int]:
    """Return the tokens before every answer's text; none if the first word includes the lead."""
    ids, offsets = _continue(vlm, vlm.form.lead + "Yes")
    return ids[: _lead_length(offsets, len(vlm.form.lead))]


def _lead_length(offsets: Sequence[tuple[int, int]], lead: int) -> int:
    """Return how many tokens end within the first `lead` characters."""
    return sum(end <= lead for _, end in offsets)


def _continue(vlm: "Vlm", text: str) -> tuple[list[int], list[tuple[int, int]]]:
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


def _message(message: Message, images: Images, marker: str, where: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    for part in message.content:
        if isinstance(part, ImagePart):
            content.append({"type": "image", "image": images.open(part.image)})
            continue
        if marker and marker in part.text:
            raise UserError(
                f"The prompt's text contains the image placeholder {marker!r}.",
                f"prompt {where}",
                "Pass images as separate parts and remove the placeholder from the text.",
            )
        content.append({"type": "text", "text": part.text})
    return {"role": message.role, "content": content}
