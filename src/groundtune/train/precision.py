"""Which arithmetic a device does natively, and what a recipe's `dtype` comes to on it."""

import logging
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

Dtype = Literal["auto", "bfloat16", "float32"]
Chosen = Literal["bfloat16", "float32"]


def device_of(name: str) -> "torch.device":
    """The device of that name; "auto" is an accelerator where there is one."""
    import torch

    if name != "auto":
        return torch.device(name)
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found or torch.device("cpu")


def native_bf16(device: "torch.device") -> bool:
    """Whether the device multiplies bfloat16 itself.

    A CPU that doesn't takes some 80 times as long as in float32 (one with AVX2 alone, measured).
    """
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
        return torch.backends.mkldnn.is_available() and supported
    return True


def resolve(dtype: Dtype, device: "torch.device") -> Chosen:
    """The type that a recipe's `dtype` means on a device: "auto" is bfloat16 where it is native.

    bfloat16 by name where it isn't native is kept, and a warning is logged.
    """
    native = native_bf16(device)
    if dtype == "auto":
        return "bfloat16" if native else "float32"
    if dtype == "bfloat16" and not native:
        log.warning(
            "bfloat16 is not native on this %s and may take many times as long as float32; "
            "dtype=auto takes what is native.",
            device.type,
        )
    return dtype
