"""Encode images once for all prompts and answers of a forward pass.

If a model takes encoded images (`mm_encoder_outputs`, transformers >= 5.20), its encoder runs once
on images that several prompts share, and each row of these prompts gets the result, with gradients.
Any other model gets a prompt's pixels once per row: the same result, slower.

Shapes: N image tokens, D width of the decoder.
"""

import inspect
from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
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
    """Embeddings of a prompt's image tokens, its images concatenated."""

    first: Tensor
    """Input of the decoder, (N, D)."""
    deeper: tuple[Tensor, ...] = ()
    """Features to add after the first decoder layers, in families with deepstack, (N, D) each."""


class ImageTokenStore(Protocol):
    """A store of image tokens from earlier passes (feature_store.py)."""

    def find(self, vlm: Vlm, prompt: EncodedPrompt) -> ImageTokens | None:
        """Return the stored tokens of the prompt's images, on the model's device, or None."""
        ...

    def keep(self, vlm: Vlm, prompt: EncodedPrompt, tokens: ImageTokens) -> None:
        """Store the tokens of the prompt's images."""
        ...


def accepts(model: Any, argument: str) -> bool:
    """Return whether the model's forward has this argument."""
    return argument in inspect.signature(plain_model(model).forward).parameters


def image_arguments(
    vlm: Vlm,
    prompts: Sequence[EncodedPrompt],
    times: Sequence[int],
    store: ImageTokenStore | None = None,
) -> dict[str, Any]:
    """Return forward's arguments for the images of prompts, each repeated `times` in a row.

    These are encoded images if the family takes them, else pixels; empty without images.
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
            "Use images in all prompts or in none, or a batch of one prompt.",
        )
    assert family.states
    firsts = _firsts(family, prompts)
    run = list(dict.fromkeys(firsts))
    states = family.states(plain_model(vlm.model), _inputs(vlm, [prompts[index] for index in run]))
    places = [run.index(first) for first, n in zip(firsts, times, strict=True) for _ in range(n)]
    rows = torch.tensor(places, device=vlm.device)
    repeated = {k: v.index_select(0, rows) for k, v in states.items()}
    return {**repeated, **dict.fromkeys(prompts[0].features.keys() - family.along_tokens)}


def pixel_arguments(vlm: Vlm, prompts: Sequence[EncodedPrompt]) -> dict[str, Any]:
    """Return forward's arguments for the images of prompts as pixels."""
    return _inputs(vlm, prompts)


def encode_images(
    vlm: Vlm, prompts: Sequence[EncodedPrompt], store: ImageTokenStore | None = None
) -> list[ImageTokens | None] | None:
    """Return the image tokens of each prompt, None for one without images.

    Images in `store` aren't encoded again. Prompts with the same images get the same tensors. The
    result is None if the model's features don't match the prompts' image tokens.
    """
    model = plain_model(vlm.model)
    firsts = _firsts(family_of(model), prompts)
    encoded = {
        index: store.find(vlm, prompts[index]) if store else None for index in dict.fromkeys(firsts)
    }
    missing = [
        index
        for index, tokens in encoded.items()
        if tokens is None and "pixel_values" in prompts[index].features
    ]
    if missing:
        # stored tokens are also used for the reference, which has no dropout
        with _evaluation_mode(model) if store else nullcontext():
            new = _encode(vlm, [prompts[index] for index in missing])
        if new is None:
            return None
        for index, tokens in zip(missing, new, strict=True):
            encoded[index] = tokens
            if store:
                store.keep(vlm, prompts[index], tokens)
    return [encoded[first] for first in firsts]


def _firsts(family: Family, prompts: Sequence[EncodedPrompt]) -> list[int]:
    """Return for each prompt the index of the first prompt with the same images.

    Features are compared too: a changed view has the sha256 of its image, and some families encode
    an image together with the instruction. Images without a known sha256 count as different.
    """
    by_images: dict[tuple[str, ...], list[int]] = {}
    firsts: list[int] = []
    for index, prompt in enumerate(prompts):
        candidates = by_images.setdefault(prompt.images, []) if prompt.images else []
        same = (i for i in candidates if _same_features(family, prompts[i], prompt))
        firsts.append(next(same, index))
        if firsts[-1] == index:
            candidates.append(index)
    return firsts


def _same_features(family: Family, one: EncodedPrompt, other: EncodedPrompt) -> bool:
    """Return whether the encoder gets the same input from both prompts."""
    a, b = (
        {k: v for k, v in prompt.features.items() if k not in family.along_tokens}
        for prompt in (one, other)
    )
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@contextmanager
def _evaluation_mode(model: Any) -> Generator[None]:
    """Put the model into evaluation mode; restore the mode of each module afterwards."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _encode(vlm: Vlm, prompts: Sequence[EncodedPrompt]) -> list[ImageTokens] | None:
    """Encode the images of all prompts in one pass of the encoder."""
    encode = plain_model(vlm.model).base_model.get_image_features
    parameters = inspect.signature(encode).parameters
    inputs = _inputs(vlm, prompts)
    output = encode(**{k: v for k, v in inputs.items() if k in parameters}, return_dict=True)
    token = plain_model(vlm.model).config.image_token_id
    counts = [prompt.ids.count(token) for prompt in prompts]
    first = _flat(output.pooler_output)
    if len(first) != sum(counts):
        return None
    layers = cast("Sequence[Any]", getattr(output, "deepstack_features", None) or ())
    deeper = [torch.split(_flat(layer), counts) for layer in layers]
    return [
        ImageTokens(part, tuple(layer[i] for layer in deeper))
        for i, part in enumerate(torch.split(first, counts))
    ]


def _flat(features: Any) -> Tensor:
    """Return the features of one or more images as (N, D)."""
    parts = [features] if isinstance(features, Tensor) else list(cast("Sequence[Tensor]", features))
    return torch.cat([part.flatten(0, -2) for part in parts])


def _output(family: Family, each: Sequence[ImageTokens]) -> Any:
    """Return what the family's `get_image_features` would return for all these images."""
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    first = torch.cat([tokens.first for tokens in each])
    parts: Any = first if family.encoded == "whole" else (first,)
    output: Any = BaseModelOutputWithPooling(pooler_output=parts)
    layers = zip(*(tokens.deeper for tokens in each), strict=True)
    output.deepstack_features = [(torch.cat(layer),) for layer in layers]
    # InstructBLIP copies these into its output; nothing here reads them.
    output.vision_outputs = output.qformer_outputs = None
    return output


def _without_pixels(prompt: EncodedPrompt) -> dict[str, Tensor]:
    return {name: value for name, value in prompt.features.items() if name != "pixel_values"}


def _inputs(vlm: Vlm, prompts: Sequence[EncodedPrompt]) -> dict[str, Tensor]:
    """Return the prompts' features as one batch, without token ids, masks and marks."""
    names = {name for prompt in prompts for name in prompt.features}
    return {name: value for name, value in batch_inputs(vlm, prompts).items() if name in names}
