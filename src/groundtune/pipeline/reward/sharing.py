"""Whether a reward model can be an adapter on weights that are in memory already: the policy's.

It can if a reward model loaded by itself would have the same base: its folder has an adapter that
was trained on the same weights, and they are in the type in which they would be loaded.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast

from groundtune.errors import UserError
from groundtune.pipeline.reward.spec import HEAD, processor_hash, read_spec

if TYPE_CHECKING:
    import torch

    from groundtune.vlm.load import Vlm

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


class Base(NamedTuple):
    """Weights that no training changes, without an adapter."""

    name: str
    revision: str
    dtype: str
    device: "torch.device"


class LoadedBase(NamedTuple):
    """The same in memory."""

    vlm: "Vlm"
    processor: str
    """Hash of its processor right after loading: a tokenizer in use keeps the padding of its last
    call."""

    @classmethod
    def of(cls, vlm: "Vlm") -> Self:
        """Return a model that was just loaded."""
        return cls(vlm, processor_hash(vlm.processor))

    @property
    def base(self) -> Base:
        """What the weights are."""
        vlm = self.vlm
        dtype = str(vlm.model.dtype).removeprefix("torch.")
        return Base(vlm.name, vlm.revision, dtype, vlm.device)


def why_apart(folder: Path, base: Base) -> str:
    """Return why the reward model of a folder can't share the weights of `base`, "" if it can.

    Loads no weights.

    Raises:
        UserError: the folder has no reward model.
    """
    from groundtune.vlm.load import base_of

    spec = read_spec(folder)
    if base_of(str(folder.resolve()), None)[1] is None:
        return "its folder has full weights"
    if spec.revision != base.revision:
        return f"it was trained from other weights, {spec.model}"
    return why_other_type(base)


def why_other_type(base: Base, dtype: str = "auto") -> str:
    """Return that weights loaded with a setting `dtype` are in another type, "" if they aren't."""
    alone = dtype_alone(base.name, base.device.type, dtype)
    if base.dtype != alone:
        return f"its weights are {alone or 'of an unknown type'}, the policy's {base.dtype}"
    return ""


def dtype_alone(name: str, device: str, dtype: str = "auto") -> str:
    """Return the type in which a model is loaded by itself; "" if it isn't known."""
    from groundtune.vlm.merged import stored_dtype

    if dtype not in ("auto", "checkpoint"):
        return dtype
    if (dtype, device) == ("auto", "cpu"):
        return "float32"
    stored = stored_dtype(name)
    return "" if stored is None else str(stored).removeprefix("torch.")


class WeightCount(NamedTuple):
    """The weights that a model adds to memory."""

    weights: int
    bytes: int


def count_weights(name: str, device: str, *, shared: bool, dtype: str = "auto") -> WeightCount:
    """Return what a model adds on a device, without loading it: `shared` without its base.

    An adapter counts, and a reward model's head.

    Raises:
        UserError: the model can't be read.
    """
    from groundtune.vlm.load import outline

    folder = Path(name)
    files = [folder / "adapter_model.safetensors", folder / f"{HEAD}.safetensors"]
    extra = sum(_numbers_in(file) for file in files if file.is_file())  # in float32
    if shared:
        return WeightCount(extra, 4 * extra)
    vlm = outline(name)
    weights = sum(weight.numel() for weight in vlm.model.parameters())
    size = BYTES.get(dtype_alone(vlm.name, device, dtype), 4)
    return WeightCount(weights + extra, size * weights + 4 * extra)


def _numbers_in(file: Path) -> int:
    """Return how many numbers a safetensors file has, from its header."""
    from safetensors import SafetensorError, safe_open

    try:
        with cast(Any, safe_open)(file, "numpy") as tensors:
            shapes = [tensors.get_slice(name).get_shape() for name in tensors.keys()]  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"The weights can't be read: {error}.", str(file), "Restore the folder from a copy."
        ) from error
    return sum(map(math.prod, shapes))
