"""States that an interrupted training goes on from."""

from pathlib import Path
from typing import cast

import torch

SAVE_EVERY = 100
"""Steps between two states."""


def save_state(state: dict[str, object], file: Path) -> None:
    """Writes a state whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(file)


def load_state(file: Path) -> dict[str, object]:
    """What `save_state` wrote, without unpickling objects."""
    return cast(dict[str, object], torch.load(file, weights_only=True))
