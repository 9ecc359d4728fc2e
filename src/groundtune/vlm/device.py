"""The device that a user names."""

from typing import TYPE_CHECKING

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
