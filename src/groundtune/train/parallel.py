"""The only file that knows accelerate: one process or many, and what they must agree on.

One process is what is tested; started by `accelerate launch`, each process takes its share of every
step's pairs and gradients are averaged.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from accelerate import Accelerator  # pyright: ignore[reportMissingTypeStubs]
from torch import Tensor
from torch.optim import Optimizer

T = TypeVar("T")


class Parallel:
    """The processes of a run. The model stays on the device on which it was loaded."""

    def __init__(self, device: torch.device, *, bf16: bool) -> None:
        """With `bf16`, forward passes of float32 weights compute in bfloat16."""
        self._accelerator: Any = Accelerator(device_placement=False)
        self._device = device
        self._bf16 = bf16

    @property
    def main(self) -> bool:
        """Whether this process writes files and logs."""
        return self._accelerator.is_main_process

    @property
    def processes(self) -> int:
        """How many share the work."""
        return self._accelerator.num_processes

    def prepare(self, model: Any, optimizer: Optimizer) -> tuple[Any, Optimizer]:
        """Model and optimiser as this set-up runs them."""
        if self.processes == 1:
            return model, optimizer
        return self._accelerator.prepare(model, optimizer)

    def plain(self, model: Any) -> Any:
        """The model without what `prepare` put around it."""
        return self._accelerator.unwrap_model(model)

    def share(self, batch: Sequence[T]) -> list[T]:
        """This process's part of a step's pairs."""
        return list(batch[self._accelerator.process_index :: self.processes])

    def backward(self, loss: Tensor) -> None:
        """Adds the gradient of this process's part of the loss; the parts add up."""
        self._accelerator.backward(loss * self.processes)  # gradients are averaged, not summed

    def accumulate(self, model: Any, last: bool) -> AbstractContextManager[Any]:
        """Gradients are exchanged in a step's last micro-batch only."""
        return nullcontext() if last else self._accelerator.no_sync(model)

    def clip(self, parameters: Iterable[Tensor], norm: float) -> float:
        """Norm of the gradient before it was clipped to `norm`; 0 does not clip."""
        limit = norm if norm > 0 else float("inf")
        return float(self._accelerator.clip_grad_norm_(list(parameters), limit))

    def total(self, sums: Mapping[str, Tensor]) -> dict[str, float]:
        """Each value summed over the processes."""
        stacked = torch.stack([value.double() for value in sums.values()])
        summed = self._accelerator.reduce(stacked, reduction="sum")
        return dict(zip(sums, map(float, summed), strict=True))

    @property
    def arithmetic(self) -> str:
        """The type that forward passes compute in, "" where it is that of the weights."""
        return "bfloat16" if self._bf16 else ""

    def autocast(self) -> AbstractContextManager[Any]:
        """The arithmetic of forward passes."""
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16)

    def wait(self) -> None:
        """Until all processes are here."""
        self._accelerator.wait_for_everyone()
