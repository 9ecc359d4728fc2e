"""Encoded images kept on disk: for the reference and training, from one epoch and run to the next.

It pays where images are many tokens and the tower is large beside what is trained. What is kept is
what enters the decoder, after the projector, so it is right only while tower and projector stay as
they were: a store is refused where either is trained (a LoRA on all linear layers adapts the
tower). LLaVA-1.5-7B's 576 tokens take 4.7 MB an image in bfloat16.

A file's key is the hash of all that its tokens depend on: what the encoder gets (pixels, so that a
changed view of an image is another image, and the instruction where a family reads images with
it in mind), the images' sha256, the model's revision, the image processor's settings, the types of
weights and arithmetic, weights in 4 bits, and the versions of torch and transformers. Whatever
changes gives another key, so an old file can't be used by mistake, and several runs may share a
folder. What is kept was encoded without dropout.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors_torch
from torch import Tensor

from groundtune.engine.features import ImageTokens
from groundtune.errors import UserError
from groundtune.store.files import write_atomic
from groundtune.store.keys import key_of
from groundtune.store.run import versions
from groundtune.vlm.encoded import EncodedPrompt
from groundtune.vlm.family import family_of
from groundtune.vlm.load import Vlm
from groundtune.vlm.plain import plain_model


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureStore:
    """ImageTokenStore of safetensors files, one a prompt's images; made by `open_store`."""

    folder: Path

    def find(self, vlm: Vlm, prompt: EncodedPrompt) -> ImageTokens | None:
        """The prompt's image tokens on the model's device; None if none are kept.

        Raises:
            UserError: a file is damaged.
        """
        file = self._file(vlm, prompt)
        if file is None or not file.is_file():
            return None
        try:
            kept = cast(Any, safetensors_torch).load_file(file, device=str(vlm.device))
        except SafetensorError as error:
            raise UserError(
                "The file of encoded images is damaged.",
                str(file),
                "Delete it and run the same command again: it is made anew.",
            ) from error
        return ImageTokens(kept["first"], tuple(kept[f"deeper_{i}"] for i in range(len(kept) - 1)))

    def keep(self, vlm: Vlm, prompt: EncodedPrompt, tokens: ImageTokens) -> None:
        """Writes the prompt's image tokens; nothing for images whose sha256 isn't known.

        Raises:
            UserError: the disk is full.
        """
        file = self._file(vlm, prompt)
        if file is None or file.is_file():
            return
        named = {"first": tokens.first, **{f"deeper_{i}": t for i, t in enumerate(tokens.deeper)}}
        # a part of a larger tensor is copied, or the whole would be written
        own = {name: tensor.detach().cpu().clone() for name, tensor in named.items()}
        write_atomic(file, cast(Any, safetensors_torch).save(own), durable=False)

    def _file(self, vlm: Vlm, prompt: EncodedPrompt) -> Path | None:
        if not prompt.images:
            return None
        key = _key(vlm, prompt)
        return self.folder / key[:2] / f"{key}.safetensors"


def open_store(vlm: Vlm, folder: Path, *, training: bool = True) -> FeatureStore:
    """A store for a model whose weights to train already require a gradient.

    Without `training` for one of which nothing is trained yet, such as the reference: then it
    doesn't matter what requires a gradient.

    Raises:
        UserError: tower or projector is trained, or the family takes no encoded images.
    """
    model = plain_model(vlm.model)
    family = family_of(model)
    if not family.encoded:
        raise UserError(
            f"Images of {family.name} can't be stored encoded: its forward takes pixels only.",
            "the feature store",
            "Leave it off.",
        )
    if training and (trained := _trained_before_the_decoder(model)):
        raise UserError(
            f"Encoded images can't be stored where tower or projector is trained ({trained}).",
            "the feature store",
            "Leave it off, or train the language model alone: tune.parts=[language_model].",
        )
    return FeatureStore(folder=folder)


def _trained_before_the_decoder(model: Any) -> str:
    """Name of a weight outside decoder and head that requires a gradient; "" if none does."""
    owners = [model.get_decoder(), model.get_output_embeddings()]
    after = {id(each) for owner in owners for each in owner.parameters()}
    named = cast("list[tuple[str, Tensor]]", list(model.named_parameters()))
    trained = (name for name, each in named if each.requires_grad and id(each) not in after)
    return next(trained, "")


def _key(vlm: Vlm, prompt: EncodedPrompt) -> str:
    model = plain_model(vlm.model)
    kind = vlm.device.type
    arithmetic = str(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else ""
    held = str(getattr(model.config, "quantization_config", None) or "")
    settings: object = json.loads(vlm.processor.image_processor.to_json_string())
    weights = (vlm.revision, str(model.dtype), held, arithmetic)
    shown = _hash(prompt.features)
    return key_of("image tokens", prompt.images, shown, *weights, settings, _made_with())


def _hash(features: Mapping[str, Tensor]) -> str:
    """sha256 of what the encoder gets of a prompt."""
    digest = hashlib.sha256()
    for name, value in sorted(features.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
        digest.update(cast(Any, value.detach().cpu().flatten().view(torch.uint8).numpy()))
    return digest.hexdigest()


@cache
def _made_with() -> dict[str, str | None]:
    """The libraries' versions; looking them up takes longer than a small image's encoding."""
    found = versions()
    return {name: found.get(name) for name in ("torch", "transformers")}
