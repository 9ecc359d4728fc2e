"""Checkpoints: folders that `from_pretrained` loads, with the state to resume training.

    checkpoints/step-000100/    weights (or adapter) and processor in Hugging Face's layout
                                trainer_state.pt: optimiser, random state, step, the run's key

A checkpoint is complete or absent: it is written under a temporary name, flushed, and renamed.
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
    """The state to resume from."""

    full: FullState
    step: int
    random: list[dict[str, Any]]
    """The `random_state` of each process, by rank."""


class Checkpoints:
    """The checkpoints of one run; only the newest `keep` are kept.

    `run_key` is the hash of everything that determines the run's result: a checkpoint with another
    key is refused.
    """

    def __init__(self, path: Path, run_key: str, keep: int) -> None:
        self.path = path
        self._run_key = run_key
        self._keep = keep

    def paths(self) -> list[Path]:
        """Return the existing checkpoints, newest last."""
        return sorted(self.path.glob("step-*"))

    def save(self, vlm: Vlm, state: State) -> Path:
        """Write the checkpoint of a step and remove old ones.

        Raises:
            UserError: the disk is full or the folder can't be written.
        """
        content = {
            "optimizer": state.full.optimizer,
            "step": state.step,
            "run_key": self._run_key,
            "rng": state.random,
        }
        buffer = BytesIO()
        torch.save(content, buffer)
        path = self.path / f"step-{state.step:06d}"
        write_model(vlm, path, {_STATE: buffer.getvalue()}, weights=state.full.weights)
        for old in self.paths()[: -self._keep]:
            shutil.rmtree(old)
        return path

    def check(self) -> None:
        """Raise UserError if the folder's checkpoints belong to another run."""
        if self.paths():
            self._newest()

    def restore(self, vlm: Vlm, optimizer: torch.optim.Optimizer, rank: int = 0) -> int:
        """Load the newest checkpoint's weights and state; return its step, 0 if there is none.

        A process resumes the random state of its `rank`; a process that the checkpoint does not
        have keeps the state of its seed.

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
                "Remove its folder: the run then resumes from an older one, or starts again.",
            ) from error
        if state["run_key"] != self._run_key:
            raise UserError(
                "The folder has a run with other settings, data or another model.",
                str(path),
                "Use another folder with --out DIR, or the original recipe.",
            )
        return state


def write_model(
    vlm: Vlm,
    path: Path,
    files: dict[str, bytes] | None = None,
    *,
    weights: dict[str, Tensor] | None = None,
) -> None:
    """Write model (or adapter) and processor in Hugging Face's layout, completely or not at all.

    Also writes `files`. Replaces an existing folder of that name. `weights` replace the model's
    weights if it holds only a shard of them.

    Raises:
        UserError: the disk is full or the folder can't be written.
    """
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    try:
        for leftover in path.parent.glob(".*.tmp"):  # of a run that was killed while writing
            shutil.rmtree(leftover, ignore_errors=True)
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
            f"The weights can't be written: {error}.", str(path), "Free disk space and run again."
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
    """Return the state of this process's random number generators."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"torch": torch.get_rng_state(), "cuda": cuda}


def set_random_state(state: dict[str, Any]) -> None:
    """Restore the state that `random_state` returned."""
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])


def _flush(folder: Path) -> None:
    """Flush the files to disk before the folder gets its final name."""
    for file in folder.iterdir():
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
