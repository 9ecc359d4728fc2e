"""A disk cache of encoded images, for the reference and training, across epochs and runs.

It pays if images have many tokens and the tower is large compared with the trained weights. It
stores the decoder's input, after the projector, so it is valid only while tower and projector are
frozen: a store is refused if either is trained (a LoRA on all linear layers adapts the tower).
LLaVA-1.5-7B's 576 tokens take 4.7 MB per image in bfloat16.

A file's key is the hash of everything that its tokens depend on: the encoder's input (pixels, so a
changed view is another image, and the instruction if a family's encoder reads it), the images'
sha256, the model's revision, the image processor's settings, the types of weights and arithmetic,
4-bit weights, and the versions of torch and transformers. Any change gives another key, so a stale
file is never used, and runs may share a folder. Images are encoded without dropout.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors import torch as safetensors_torch
from torch import Tensor

from groundtune.engine.features import ImageTokens
from groundtune.errors import UserError
from groundtune.store.files import write_atomic
from groundtune.store.keys import key_of
from groundtune.store.run_json import versions
from groundtune.vlm.encoded import EncodedPrompt
from groundtune.vlm.family import family_of
from groundtune.vlm.load import Vlm
from groundtune.vlm.plain import plain_model

log = logging.getLogger(__name__)

_SUM = "sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureStore:
    """ImageTokenStore of safetensors files, one per prompt's images; see `open_store`."""

    folder: Path

    def find(self, vlm: Vlm, prompt: EncodedPrompt) -> ImageTokens | None:
        """Return the prompt's image tokens on the model's device; None if they aren't stored.

        A damaged file is removed, with a warning, so that it is written again.
        """
        file = self._file(vlm, prompt)
        if file is None or not file.is_file():
            return None
        tensors = _read(file)
        if tensors is None:
            log.warning("%s is damaged: its images are encoded again", file)
            file.unlink(missing_ok=True)
            return None
        deeper = tuple(tensors[f"deeper_{i}"].to(vlm.device) for i in range(len(tensors) - 1))
        return ImageTokens(tensors["first"].to(vlm.device), deeper)

    def keep(self, vlm: Vlm, prompt: EncodedPrompt, tokens: ImageTokens) -> None:
        """Write the prompt's image tokens, unless the sha256 of its images is unknown.

        Raises:
            UserError: the disk is full.
        """
        file = self._file(vlm, prompt)
        if file is None or file.is_file():
            return
        tensors = {"first": tokens.first, **{f"deeper_{i}": t for i, t in enumerate(tokens.deeper)}}
        # copied, since saving a view would write the whole tensor that it belongs to
        copies = {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}
        data = cast(Any, safetensors_torch).save(copies, metadata={_SUM: _hash(copies)})
        write_atomic(file, data, durable=False)

    def _file(self, vlm: Vlm, prompt: EncodedPrompt) -> Path | None:
        if not prompt.images:
            return None
        key = _key(vlm, prompt)
        return self.folder / key[:2] / f"{key}.safetensors"


def open_store(vlm: Vlm, folder: Path, *, training: bool = True) -> FeatureStore:
    """Return a store for a model whose trained weights already require a gradient.

    With `training=False` for a model before training, such as the reference, gradients are ignored.

    Raises:
        UserError: tower or projector is trained, or the family takes no encoded images.
    """
    model = plain_model(vlm.model)
    family = family_of(model)
    if not family.encoded:
        raise UserError(
            f"Images of {family.name} can't be stored encoded: its forward takes pixels only.",
            "keep_images",
            "Set keep_images=false.",
        )
    if training and (trained := _trained_before_the_decoder(model)):
        raise UserError(
            f"Encoded images can't be stored if the tower or the projector is trained ({trained}).",
            "keep_images",
            "Set keep_images=false, or train only the language model: tune.parts=[language_model].",
        )
    return FeatureStore(folder=folder)


def _read(file: Path) -> dict[str, Tensor] | None:
    """Return the file's tensors; None if they are not those that were written."""
    try:
        with cast(Any, safe_open)(file, "pt") as stream:
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
            metadata = cast("dict[str, str] | None", stream.metadata())
    except (SafetensorError, OSError, ValueError):
        return None
    expected = (metadata or {}).get(_SUM)
    return tensors if _hash(tensors) == expected else None


def _trained_before_the_decoder(model: Any) -> str:
    """Return the name of a trained weight outside decoder and head; "" if there is none."""
    owners = [model.get_decoder(), model.get_output_embeddings()]
    after = {id(each) for owner in owners for each in owner.parameters()}
    parameters = cast("list[tuple[str, Tensor]]", list(model.named_parameters()))
    trained = (name for name, each in parameters if each.requires_grad and id(each) not in after)
    return next(trained, "")


def _key(vlm: Vlm, prompt: EncodedPrompt) -> str:
    model = plain_model(vlm.model)
    kind = vlm.device.type
    arithmetic = str(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else ""
    quantisation = str(getattr(model.config, "quantization_config", None) or "")
    settings: object = json.loads(vlm.processor.image_processor.to_json_string())
    weights = (vlm.revision, str(model.dtype), quantisation, arithmetic)
    inputs = _hash(prompt.features)
    return key_of("image tokens", prompt.images, inputs, *weights, settings, _libraries())


def _hash(tensors: Mapping[str, Tensor]) -> str:
    """Return the sha256 of tensors with their names, types and shapes."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
        digest.update(cast(Any, value.detach().cpu().flatten().view(torch.uint8).numpy()))
    return digest.hexdigest()


def _libraries() -> dict[str, str | None]:
    """Return the libraries' versions."""
    installed = versions()
    return {name: installed.get(name) for name in ("torch", "transformers")}
