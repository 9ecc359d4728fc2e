"""The image side of a forward pass: a prompt's images are encoded once for all its answers.

Where a model takes encoded images (`mm_encoder_outputs`, transformers >= 5.20) its encoder runs
once a prompt, and the result is given to each of the prompt's rows with its gradient. Any other
model gets a prompt's pixels once a row: the same result, slower.

Shapes: N image tokens, D width of the decoder.
"""

import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor

from groundtune.errors import UserError
from groundtune.vlm.batch import batch_inputs
from groundtune.vlm.encoded import EncodedPrompt
from groundtune.vlm.family import Family, family_of
from groundtune.vlm.load import Vlm
from groundtune.vlm.plain import plain_model


class ImageTokens(NamedTuple):
    """What stands at a prompt's image tokens, all its images one after the other."""

    first: Tensor
    """What enters the decoder, (N, D)."""
    deeper: tuple[Tensor, ...] = ()
    """What is added after its first layers where a family has such (deepstack), (N, D) each."""


class ImageStore(Protocol):
    """Image tokens that were kept of earlier passes (feature_store.py)."""

    def find(self, vlm: Vlm, prompt: EncodedPrompt) -> ImageTokens | None:
        """What was kept of the prompt's images, on the model's device."""
        ...

    def keep(self, vlm: Vlm, prompt: EncodedPrompt, tokens: ImageTokens) -> None:
        """Keeps what the model has just made of the prompt's images."""
        ...


def accepts(model: Any, argument: str) -> bool:
    """Whether the model's forward names the argument."""
    return argument in inspect.signature(plain_model(model).forward).parameters


def image_arguments(
    vlm: Vlm,
    prompts: Sequence[EncodedPrompt],
    times: Sequence[int],
    store: ImageStore | None = None,
) -> dict[str, Any]:
    """Forward's arguments for the images of prompts, each of which is there `times` in a row.

    Encoded images where the family takes them, pixels otherwise; empty without images.
    """
    repeated = [p for p, n in zip(prompts, times, strict=True) for _ in range(n)]
    if not any("pixel_values" in prompt.features for prompt in prompts):
        return {}
    family = family_of(plain_model(vlm.model))
    if family.states:
        return _states(vlm, family, prompts, times)
    encoded = encode_images(vlm, prompts, store) if family.encoded else None
    if encoded is None:
        return _inputs(vlm, repeated)
    each = [tokens for tokens, n in zip(encoded, times, strict=True) for _ in range(n)]
    rest = [replace(p, features=_without_pixels(p)) for p in repeated]
    output = _output(family, [tokens for tokens in each if tokens is not None])
    return {**_inputs(vlm, rest), "pixel_values": None, "mm_encoder_outputs": {"image": output}}


def _states(
    vlm: Vlm, family: Family, prompts: Sequence[EncodedPrompt], times: Sequence[int]
) -> dict[str, Any]:
    if not all("pixel_values" in prompt.features for prompt in prompts):
        raise UserError(
            f"{family.name} can't run prompts with and without images in one pass.",
            "a batch",
            "Give pictures to all prompts or to none, or set the batch to one prompt.",
        )
    assert family.states
    states = family.states(plain_model(vlm.model), _inputs(vlm, prompts))
    repeats = torch.tensor(times, device=vlm.device)
    repeated = {k: v.repeat_interleave(repeats, 0) for k, v in states.items()}
    return {**repeated, **dict.fromkeys(prompts[0].features.keys() - family.along_tokens)}


def pixel_arguments(vlm: Vlm, prompts: Sequence[EncodedPrompt]) -> dict[str, Any]:
    """Forward's arguments for the images of prompts as pixels."""
    return _inputs(vlm, prompts)


def encode_images(
    vlm: Vlm, prompts: Sequence[EncodedPrompt], store: ImageStore | None = None
) -> list[ImageTokens | None] | None:
    """The image tokens of each prompt, None for one without images; what `store` has isn't run.

    None for all of them if the model's features don't fill the prompts' image tokens.
    """
    found = [store.find(vlm, prompt) if store else None for prompt in prompts]
    missing = [
        index
        for index, (tokens, prompt) in enumerate(zip(found, prompts, strict=True))
        if tokens is None and "pixel_values" in prompt.features
    ]
    if not missing:
        return found
    new = _encode(vlm, [prompts[index] for index in missing])
    if new is None:
        return None
    for index, tokens in zip(missing, new, strict=True):
        found[index] = tokens
        if store:
            store.keep(vlm, prompts[index], tokens)
    return found


def _encode(vlm: Vlm, prompts: Sequence[EncodedPrompt]) -> list[ImageTokens] | None:
    """The images of all the prompts in one pass of the encoder."""
    encode = plain_model(vlm.model).base_model.get_image_features
    known = inspect.signature(encode).parameters
    inputs = _inputs(vlm, prompts)
    output = encode(**{k: v for k, v in inputs.items() if k in known}, return_dict=True)
    token = plain_model(vlm.model).config.image_token_id
    counts = [prompt.ids.count(token) for prompt in prompts]
    first = _flat(output.pooler_output)
    if len(first) != sum(counts):
        return None
    layers = cast("Sequence[Any]", getattr(output, "deepstack_features", None) or ())
    deeper = [torch.split(_flat(layer), counts) for layer in layers]
    return [
        ImageTokens(own, tuple(layer[i] for layer in deeper))
        for i, own in enumerate(torch.split(first, counts))
    ]


def _flat(features: Any) -> Tensor:
    """Features of one or more images as (N, D)."""
    parts = [features] if isinstance(features, Tensor) else list(cast("Sequence[Tensor]", features))
    return torch.cat([part.flatten(0, -2) for part in parts])


def _output(family: Family, each: Sequence[ImageTokens]) -> Any:
    """What the family's `get_image_features` would have given for all these images."""
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    first = torch.cat([tokens.first for tokens in each])
    parts: Any = first if family.encoded == "whole" else (first,)
    output: Any = BaseModelOutputWithPooling(pooler_output=parts)
    layers = zip(*(tokens.deeper for tokens in each), strict=True)
    output.deepstack_features = [(torch.cat(layer),) for layer in layers]
    # InstructBLIP hands these on with its own output; nothing here reads them.
    output.vision_outputs = output.qformer_outputs = None
    return output


def _without_pixels(prompt: EncodedPrompt) -> dict[str, Tensor]:
    return {name: value for name, value in prompt.features.items() if name != "pixel_values"}


def _inputs(vlm: Vlm, prompts: Sequence[EncodedPrompt]) -> dict[str, Tensor]:
    """The prompts' features as one batch, without their tokens and what belongs to tokens."""
    names = {name for prompt in prompts for name in prompt.features}
    return {name: value for name, value in batch_inputs(vlm, prompts).items() if name in names}
