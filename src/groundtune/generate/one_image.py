"""Answers many questions about the same images, which are preprocessed and run once.

Results equal those of separate prompts up to rounding (engine/shared_prefix.py).

Shapes: N questions, W wanted tokens.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from groundtune.engine.shared_prefix import CommonStart, common_start, score_after
from groundtune.protocols import Images
from groundtune.records import Prompt
from groundtune.vlm.encode import encode_prompt, special_in_prompt
from groundtune.vlm.encoded import EncodedPrompt
from groundtune.vlm.plain import plain_model

if TYPE_CHECKING:
    from torch import Tensor

    from groundtune.vlm.load import Vlm


def log_p_next(
    vlm: "Vlm",
    prompts: Sequence[Prompt],
    images: Images,
    token_ids: Sequence[int],
    *,
    lead: Sequence[int] = (),
) -> "Tensor | None":
    """Return log p of each wanted token right after each prompt and `lead`, (N, W), fp32.

    All prompts have the same images. Return None where the images are not in the shared prefix:
    the questions then need separate prompts.

    Raises:
        UserError: an image is missing or unreadable, or a text contains a special token.
    """
    encoded = encode_questions(vlm, prompts, images)
    whole = [replace(each, ids=(*each.ids, *lead)) for each in encoded]
    common = common_start(whole)
    if not common.prompt.ids or _has_images(vlm, common):
        return None
    return score_after(vlm, common.prompt, common.continuations, token_ids)


def encode_questions(vlm: "Vlm", prompts: Sequence[Prompt], images: Images) -> list[EncodedPrompt]:
    """Return the prompts as `encode_prompt` does, all with the image features of the first.

    Preparing an image takes longer than a small model's forward pass. So only the first and the
    last prompt are encoded completely; of the others only the text after the images is tokenised.
    If that doesn't reproduce the last one's tokens, or a text spells a special token, all are
    encoded completely.
    """
    first = encode_prompt(vlm, prompts[0], images)
    if len(prompts) < 3 or any(special_in_prompt(vlm, prompt) for prompt in prompts):
        return [first, *(encode_prompt(vlm, prompt, images) for prompt in prompts[1:])]
    last = encode_prompt(vlm, prompts[-1], images)
    tails = _tails(vlm, prompts)
    start = len(first.ids) - len(tails[0]) if tails else -1
    if start < 0 or first.ids[start:] != tails[0] or last.ids != (*first.ids[:start], *tails[-1]):
        return [first, *(encode_prompt(vlm, prompt, images) for prompt in prompts[1:])]
    return [_with_tail(first, start, tail) for tail in tails]


def _tails(vlm: "Vlm", prompts: Sequence[Prompt]) -> list[tuple[int, ...]]:
    """Return each prompt's tokens after its last image; none if the parts before it differ."""
    marker = vlm.image_token
    texts = [_rendered(vlm, prompt) for prompt in prompts]
    if not marker or any(marker not in text for text in texts):
        return []
    parts = [text.rpartition(marker) for text in texts]
    if len({before for before, _, _ in parts}) > 1:
        return []
    placeholder: Any = vlm.processor.tokenizer.convert_tokens_to_ids(marker)
    tails: list[tuple[int, ...]] = []
    for _, _, text in parts:
        # behind the placeholder: a text's first word may be cut otherwise at its very start
        encoded = vlm.processor.tokenizer(marker + text, add_special_tokens=False)
        ids = cast("list[int]", encoded["input_ids"])
        if ids.count(placeholder) != 1:
            return []
        tails.append(tuple(ids[ids.index(placeholder) + 1 :]))
    return tails


def _rendered(vlm: "Vlm", prompt: Prompt) -> str:
    """Return the prompt in the chat template, each image as its placeholder."""
    messages = [
        {
            "role": message.role,
            "content": [
                {"type": "text", "text": part.text} if part.type == "text" else {"type": "image"}
                for part in message.content
            ],
        }
        for message in prompt.messages
    ]
    return vlm.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)


def _with_tail(first: EncodedPrompt, start: int, tail: tuple[int, ...]) -> EncodedPrompt:
    """Return the first prompt with other tokens from `start` on; text tokens have mark 0."""
    import torch

    marks = {
        name: torch.cat([mark[:start], mark.new_zeros(len(tail))])
        for name, mark in first.marks.items()
    }
    return replace(first, ids=(*first.ids[:start], *tail), marks=marks)


def _has_images(vlm: "Vlm", common: CommonStart) -> bool:
    """Whether an image is outside the prompts' shared prefix."""
    config: Any = plain_model(vlm.model).config
    token = getattr(config, "image_token_id", None)
    return token is not None and any(token in each for each in common.continuations)
