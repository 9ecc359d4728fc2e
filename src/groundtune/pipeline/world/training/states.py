"""The state from which a stopped training of the world resumes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import torch
from torch import nn

from groundtune.pipeline.world.training.schedule import Optimisers
from groundtune.store.files import whole_file

SAVE_EVERY = 100
"""Steps between two states."""


class TrainingState:
    """Modules, optimisers and the number of steps done, in one file."""

    def __init__(
        self, file: Path, modules: Mapping[str, nn.Module], optimisers: Optimisers
    ) -> None:
        self._file = file
        self._modules = modules
        self._optimisers = optimisers

    def load(self) -> int:
        """Loads what an earlier run saved, if any; how many steps it had done."""
        if not self._file.exists():
            return 0
        state = load_state(self._file)
        for name, module in self._modules.items():
            module.load_state_dict(cast(dict[str, torch.Tensor], state[name]))
        self._optimisers.load(cast(list[dict[str, object]], state["optimiser"]))
        return cast(int, state["step"])

    def save_where_due(self, step: int, number: int, stop: Callable[[], bool]) -> bool:
        """Saves every SAVE_EVERY steps and after the last of `number`.

        Whether the training is to stop here: it was saved, isn't over, and `stop` says so.
        """
        if step % SAVE_EVERY and step != number:
            return False
        state: dict[str, object] = {"optimiser": self._optimisers.state(), "step": step}
        state |= {name: module.state_dict() for name, module in self._modules.items()}
        save_state(state, self._file)
        return stop() and step != number


def save_state(state: Mapping[str, object], file: Path) -> None:
    """Writes a state whole or not at all. Raises UserError if the disk is full."""
    with whole_file(file) as stream:
        torch.save(dict(state), stream)


def load_state(file: Path) -> dict[str, object]:
    """What `save_state` wrote; no object is unpickled."""
    return cast(dict[str, object], torch.load(file, weights_only=True))
