"""Memory of this machine."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


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
