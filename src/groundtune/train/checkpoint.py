"""Checkpoints: a folder that `from_pretrained` loads, and beside the weights what resuming needs.

    checkpoints/step-000100/    weights (or adapter) and processor in Hugging Face's layout
                                trainer_state.pt: optimiser, random state, step, the run's key

A checkpoint is whole or absent: it is written under another name, flushed, and renamed.
"""

import os
import shutil
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple, cast

import torch
from safetensors import SafetensorError
from torch import Tensor

from groundtune.errors import UserError
from groundtune.store.files import disk_error, write_atomic
from groundtune.train.zero import FullState
from groundtune.vlm.load import Vlm, quiet

_STATE = "trainer_state.pt"


class State(NamedTuple):
    """What resuming needs."""

    full: FullState
    step: int
    random: list[dict[str, Any]]
    """`random_state` of each process, by rank."""


class Checkpoints:
    """The checkpoints of one run, newest last; only the last `keep` stay.

    `run_key` is the hash of all that decides the run's course: a checkpoint of another is refused.
    """

    def __init__(self, path: Path, run_key: str, keep: int) -> None:
        self.path = path
        self._run_key = run_key
        self._keep = keep

    def paths(self) -> list[Path]:
        """The whole checkpoints that are there."""
        return sorted(self.path.glob("step-*"))

    def save(self, vlm: Vlm, state: State) -> Path:
        """Writes the checkpoint of a step and removes old ones.

        Raises:
            UserError: the disk is full or the folder can't be written.
        """
        kept = {
            "optimizer": state.full.optimizer,
            "step": state.step,
            "run_key": self._run_key,
            "rng": state.random,
        }
        buffer = BytesIO()
        torch.save(kept, buffer)
        path = self.path / f"step-{state.step:06d}"
        write_model(vlm, path, {_STATE: buffer.getvalue()}, weights=state.full.weights)
        for old in self.paths()[: -self._keep]:
            shutil.rmtree(old)
        return path

    def check(self) -> None:
        """Raises UserError if the folder's checkpoints belong to another run."""
        if self.paths():
            self._newest()

    def restore(self, vlm: Vlm, optimizer: torch.optim.Optimizer, rank: int = 0) -> int:
        """Puts the newest checkpoint's weights and state in place; returns its step, 0 if none.

        A process has the random numbers of its `rank` again; one that was not there at the time
        begins with those of its seed.

        Raises:
            UserError: the checkpoint belongs to a run with other settings or data.
        """
        if not self.paths():
            return 0
        state = self._newest()
        _load_weights(vlm.model, self.paths()[-1])
        optimizer.load_state_dict(state["optimizer"])
        if rank < len(state["rng"]):
            set_random_state(state["rng"][rank])
        return int(state["step"])

    def _newest(self) -> dict[str, Any]:
        path = self.paths()[-1]
        try:
            state = torch.load(path / _STATE, weights_only=True, mmap=True)
        except (RuntimeError, OSError, EOFError, ValueError, UnpicklingError) as error:
            raise UserError(
                "The checkpoint is damaged.",
                str(path / _STATE),
                "Remove its folder: the run goes on from an older one, or begins again.",
            ) from error
        if state["run_key"] != self._run_key:
            raise UserError(
                "The folder holds a run with other settings, data or another model.",
                str(path),
                "Choose another folder with --out DIR, or the recipe of the first time.",
            )
        return state


def write_model(
    vlm: Vlm,
    path: Path,
    files: dict[str, bytes] | None = None,
    *,
    weights: dict[str, Tensor] | None = None,
) -> None:
    """Writes model (or adapter) and processor in Hugging Face's layout, whole or not at all.

    `files` go beside them. An existing folder of that name is replaced. `weights` stand in for the
    model's own where it holds only parts of them.

    Raises:
        UserError: the disk is full or the folder can't be written.
    """
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    try:
        for left in path.parent.glob(".*.tmp"):  # by a run that was killed while writing
            shutil.rmtree(left, ignore_errors=True)
        temporary.mkdir(parents=True)
        with quiet():
            vlm.model.save_pretrained(temporary, state_dict=weights)
            vlm.processor.save_pretrained(temporary)
        for name, data in (files or {}).items():
            write_atomic(temporary / name, data)
        _flush(temporary)
        shutil.rmtree(path, ignore_errors=True)
        os.replace(temporary, path)
    except SafetensorError as error:
        raise UserError(
            f"The weights can't be written: {error}.", str(path), "Free some space, and run again."
        ) from error
    except OSError as error:
        raise disk_error(error, path) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _load_weights(model: Any, path: Path) -> None:
    if hasattr(model, "get_base_model"):
        import peft

        untyped: Any = peft
        weights = untyped.utils.load_peft_weights(str(path), device="cpu")
        untyped.set_peft_model_state_dict(model, weights)
        return
    saved = cast(Any, type(model)).from_pretrained(path, dtype=model.dtype)
    model.load_state_dict(saved.state_dict())


def random_state() -> dict[str, Any]:
    """This process's random numbers, of dropout and of a LoRA's first weights."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"torch": torch.get_rng_state(), "cuda": cuda}


def set_random_state(state: dict[str, Any]) -> None:
    """Has this process draw the random numbers that it drew after `state` was taken."""
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])


def _flush(folder: Path) -> None:
    """Puts the files' bytes on the disk before the folder gets its name."""
    for file in folder.iterdir():
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
