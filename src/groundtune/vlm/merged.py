"""Merge an adapter into its base model's weights, in float32.

A LoRA's update is often smaller than the spacing of bfloat16 numbers around the weight that it
changes. A sum in bfloat16 then drops most of it, so weights are merged, and by default saved, in
float32.
"""

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from groundtune.errors import UserError
from groundtune.vlm.load import Vlm, base_of, load
from groundtune.vlm.plain import adapting

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)


def load_merged(name: str, *, adapter: Path | None = None, revision: str = "main") -> Vlm:
    """Load a model on the CPU, its adapter, if it has one, merged into float32 weights.

    `name` may be a folder that has only an adapter. Without an adapter, weights keep the
    checkpoint's dtype.

    Raises:
        UserError: as `load` does.
    """
    base, adapter = base_of(name, adapter)
    dtype = "checkpoint" if adapter is None else "float32"
    vlm = load(base, adapter=adapter, dtype=dtype, device="cpu", revision=revision)
    return vlm if adapter is None else merged(vlm)


def merged(vlm: Vlm) -> Vlm:
    """Return the model with its adapter in its weights. Its weights must be float32."""
    model: Any = vlm.model
    assert model.dtype.itemsize >= 4, "weights are merged in float32"
    with adapting():
        return replace(vlm, model=model.merge_and_unload())


def stored_dtype(name: str, revision: str = "main") -> "torch.dtype | None":
    """Return the dtype that a checkpoint's config.json names, None if it names none."""
    import torch
    from transformers import AutoConfig

    config: Any = cast(Any, AutoConfig).from_pretrained(name, revision=revision)
    return config.dtype if isinstance(config.dtype, torch.dtype) else None


def checkpoint_dtype(name: str, revision: str = "main") -> "torch.dtype":
    """Return the dtype that a checkpoint's config.json names.

    Raises:
        UserError: it names none.
    """
    dtype = stored_dtype(name, revision)
    if dtype is None:
        raise UserError(
            "The base model's dtype isn't known: its config.json names none.",
            name,
            "Use merge_dtype=float32.",
        )
    return dtype


def announce_float32(path: Path, base: "torch.dtype | None", advice: str) -> None:
    """Say that weights in `path` are float32 although the base's are smaller."""
    if base is not None and base.itemsize < 4:
        logger.warning(
            "The weights in %s are float32, those of the base are %s. Loading them in %s rounds "
            "them and may lose what was trained. %s",
            path,
            *[str(base).removeprefix("torch.")] * 2,
            advice,
        )
