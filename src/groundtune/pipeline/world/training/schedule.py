"""Steps, learning rates and optimisers of the world's trainings."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from groundtune.pipeline.world.training.muon import Muon
from groundtune.protocols import Progress


class Steps:
    """Steps of batches of images; after a warm-up the learning rate stays or decays to 0."""

    def __init__(
        self,
        name: str,
        number: int,
        batch: int,
        progress: Progress,
        *,
        decay: Literal["linear", "none"] = "linear",
        warm_up: int = 50,
        first: int = 0,
    ) -> None:
        self.name = name
        self.number = number
        self.batch = batch
        self._progress = progress
        self._decay = decay
        self._warm_up = warm_up
        self._first = first

    def __iter__(self) -> Iterator[int]:
        self._progress.start(self.name, self.number)
        self._progress.advance(self._first)
        return iter(range(self._first, self.number))

    def rate(self, step: int) -> float:
        """Factor on the learning rate at a step, in (0, 1]."""
        warm = min(1.0, (step + 1) / self._warm_up) if self._warm_up else 1.0
        remaining = max(0.01, 1 - step / self.number) if self._decay == "linear" else 1.0
        return warm * remaining

    def report(self, step: int, losses: Mapping[str, float]) -> None:
        """Shows a step's losses."""
        note = (
            " ".join(f"{name} {value:.3f}" for name, value in losses.items())
            if step % 20 == 0
            else ""
        )
        self._progress.advance(1, note)


class Optimisers:
    """Muon for the matrices between hidden layers, AdamW for the rest, with a clipped gradient."""

    def __init__(
        self,
        modules: Sequence[nn.Module],
        learning_rate: float,
        slower: Mapping[int, float] | None = None,
        *,
        muon: bool = True,
    ) -> None:
        """`slower` gives the factor on the learning rate of the module at an index."""
        matrices: list[dict[str, object]] = []
        others: list[dict[str, object]] = []
        for i, module in enumerate(modules):
            rate = learning_rate * (slower or {}).get(i, 1.0)
            hidden = [p for name, p in module.named_parameters() if muon and _hidden(name, p)]
            chosen = {id(p) for p in hidden}
            rest = [p for p in module.parameters() if id(p) not in chosen]
            if hidden:
                matrices.append({"params": hidden, "lr": rate})
            others.append({"params": rest, "lr": rate})
        self._parameters = [p for module in modules for p in module.parameters()]
        self._parts: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.01)
        ]
        if matrices:
            self._parts.append(Muon(matrices, weight_decay=0.01, dtype=None))
        self._base = [[float(group["lr"]) for group in part.param_groups] for part in self._parts]

    def step(self, loss: Tensor, rate: float) -> None:
        """One step down the loss at `rate` times the learning rate."""
        for part, base in zip(self._parts, self._base, strict=True):
            for group, full in zip(part.param_groups, base, strict=True):
                group["lr"] = full * rate
            part.zero_grad(set_to_none=True)
        loss.backward()  # pyright: ignore[reportUnknownMemberType]
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        for part in self._parts:
            part.step()

    def state(self) -> list[dict[str, object]]:
        """What a resumed training needs."""
        return [part.state_dict() for part in self._parts]

    def load(self, state: list[dict[str, object]]) -> None:
        """Resume from a state."""
        for part, saved in zip(self._parts, state, strict=True):
            part.load_state_dict(saved)


def _hidden(name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim == 2 and "embed" not in name and "lm_head" not in name
