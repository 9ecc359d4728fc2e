"""Choose the device and the arithmetic of training."""

import logging
from typing import TYPE_CHECKING, Literal

from groundtune.vlm.device import named_device

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

Dtype = Literal["auto", "bfloat16", "float32"]
ResolvedDtype = Literal["bfloat16", "float32"]


def device_of(name: str) -> "torch.device":
    """Return the device of that name; "auto" is an accelerator if there is one.

    With several processes on a machine, each uses the accelerator of its local rank.

    Raises:
        UserError: the device does not exist on this machine.
    """
    import os

    import torch

    if name != "auto":
        return named_device(name)
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if device is None:
        return torch.device("cpu")
    rank = os.environ.get("LOCAL_RANK")
    return torch.device(device.type, int(rank)) if rank is not None else device


def native_bf16(device: "torch.device") -> bool:
    """Return whether the device multiplies bfloat16 natively.

    A CPU that doesn't is about 80 times slower than in float32 (measured with AVX2 only).
    """
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
        return torch.backends.mkldnn.is_available() and supported
    return True


def resolve_dtype(dtype: Dtype, device: "torch.device") -> ResolvedDtype:
    """Return the type of a recipe's `dtype` on a device: "auto" is bfloat16 if it is native."""
    if dtype == "auto":
        return "bfloat16" if native_bf16(device) else "float32"
    return dtype


def warn_if_slow(dtype: Dtype, device: "torch.device") -> None:
    """Log a warning if the recipe sets bfloat16 and the device doesn't support it natively."""
    if dtype == "bfloat16" and not native_bf16(device):
        log.warning(
            "bfloat16 is not native on this %s and may take many times as long as float32; "
            "use dtype=auto to choose the native type.",
            device.type,
        )
