"""The device that a user names, and the memory of this machine."""

import os
from typing import TYPE_CHECKING, Any

from groundtune.errors import UserError

if TYPE_CHECKING:
    import torch


def named_device(name: str) -> "torch.device":
    """Return the device of this name, such as cpu, cuda or cuda:1.

    Raises:
        UserError: this machine has no such device.
    """
    import torch

    try:
        device = torch.device(name)
        torch.empty(0, device=device)
        if device.type == "meta":
            raise RuntimeError("it computes nothing")
    except (RuntimeError, AssertionError) as error:
        why = str(error).splitlines()[0].rstrip(".")
        raise UserError(
            f"There is no device {name!r} here: {why}.",
            "device",
            "Use device=cpu, or device=auto, which uses an accelerator if there is one.",
        ) from error
    return device


def choose_device(name: str) -> "torch.device":
    """Return the device of this name; of "auto" an accelerator if there is one.

    Raises:
        UserError: this machine has no such device.
    """
    import torch

    if name != "auto":
        return named_device(name)
    if torch.cuda.is_available():
        return named_device("cuda")
    return named_device("mps" if torch.backends.mps.is_available() else "cpu")


def memory_here(device: "torch.device") -> float:
    """Return the memory in GB of an accelerator, or of the machine for the CPU."""
    if device.type == "cuda":
        import torch

        cuda: Any = torch.cuda
        return float(cuda.get_device_properties(device).total_memory) / 1e9
    return ram_gb()


def ram_gb() -> float:
    """Return this machine's main memory in GB; 0 if the system doesn't say it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (ValueError, OSError, AttributeError):
        return 0.0
