"""Which arithmetic a device does natively, and what a recipe's `dtype` comes to on it."""

import logging
from typing import TYPE_CHECKING, Literal

from groundtune.errors import UserError

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

Dtype = Literal["auto", "bfloat16", "float32"]
ResolvedDtype = Literal["bfloat16", "float32"]


def device_of(name: str) -> "torch.device":
    """The device of that name; "auto" is an accelerator where there is one.

    Of several processes on a machine each takes the accelerator of its own number.

    Raises:
        UserError: torch knows no such device, or this machine has none.
    """
    import os

    import torch

    if name != "auto":
        try:
            device = torch.device(name)
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:
            why = str(error).splitlines()[0].rstrip(".")
            raise UserError(
                f"There is no device {name!r} here: {why}.",
                "device",
                "Use device=cpu, or device=auto, which takes an accelerator where there is one.",
            ) from error
        return device
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if found is None:
        return torch.device("cpu")
    own = os.environ.get("LOCAL_RANK")
    return torch.device(found.type, int(own)) if own is not None else found


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


def resolve_dtype(dtype: Dtype, device: "torch.device") -> ResolvedDtype:
    """The type that a recipe's `dtype` means on a device: "auto" is bfloat16 where it is native."""
    if dtype == "auto":
        return "bfloat16" if native_bf16(device) else "float32"
    return dtype


def warn_if_slow(dtype: Dtype, device: "torch.device") -> None:
    """Logs a warning where bfloat16 is asked for by name and the device doesn't do it natively."""
    if dtype == "bfloat16" and not native_bf16(device):
        log.warning(
            "bfloat16 is not native on this %s and may take many times as long as float32; "
            "dtype=auto takes what is native.",
            device.type,
        )
