"""Checkpoints: folders that `from_pretrained` loads, with the state to resume training.

    checkpoints/step-000100/    weights (or adapter) and the base's other files
                                trainer_state.pt: optimiser, random state, step, the run's inputs
                                checksums.sha256: of all files, compared before they are read

A checkpoint is complete or absent: it is written under a temporary name, flushed, and renamed.
"""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor, nn

from groundtune.errors import UserError
from groundtune.store import checksums
from groundtune.store.files import remove_folder, sweep, whole_folder
from groundtune.train.parallel import Parallel, WrappedModel
from groundtune.train.zero import FullState
from groundtune.vlm.base_files import carry_over
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

    `inputs` names everything that determines the run's result, with a hash or value each: a
    checkpoint with others is refused.
    """

    def __init__(
        self,
        path: Path,
        inputs: Mapping[str, str],
        keep: int,
        heads: Mapping[str, nn.Module] | None = None,
    ) -> None:
        """`heads` are trained next to the model, each in a file of its name."""
        self.path = path
        self._heads = dict(heads or {})
        self._inputs = dict(inputs)
        self._keep = keep

    def paths(self) -> list[Path]:
        """Return the existing checkpoints, newest last."""
        return steps_in(self.path)

    def save(self, vlm: Vlm, state: State) -> Path:
        """Write the checkpoint of a step and remove old ones.

        Raises:
            UserError: the disk is full or the folder can't be written.
        """
        content = {
            "optimizer": state.full.optimizer,
            "step": state.step,
            "inputs": self._inputs,
            "rng": state.random,
        }
        buffer = BytesIO()
        torch.save(content, buffer)
        path = self.path / f"step-{state.step:06d}"
        files = {_STATE: buffer.getvalue()} | {
            f"{name}.safetensors": head_bytes(head) for name, head in self._heads.items()
        }
        write_model(vlm, path, files, weights=state.full.weights)
        for old in self.paths()[: -self._keep]:
            remove_folder(old)
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
        for name, head in self._heads.items():
            read_head(head, self.paths()[-1] / f"{name}.safetensors")
        optimizer.load_state_dict(state["optimizer"])
        if rank < len(state["rng"]):
            set_random_state(state["rng"][rank])
        return int(state["step"])

    def _newest(self) -> dict[str, Any]:
        *older, path = self.paths()
        then = f"resumes from {older[-1].name}" if older else "starts again"
        fix = f"Remove the folder {path.name}: the run then {then}."
        checksums.refuse_damaged_folder(path, fix, must=True)
        try:
            state = torch.load(path / _STATE, weights_only=True, mmap=True)
        except (RuntimeError, OSError, EOFError, ValueError, UnpicklingError) as error:
            raise UserError("The checkpoint is damaged.", str(path / _STATE), fix) from error
        names = dict.fromkeys([*state["inputs"], *self._inputs])
        others = [n for n in names if state["inputs"].get(n) != self._inputs.get(n)]
        if others:
            raise UserError(
                "The folder has a run with other settings, data or another model "
                f"({', '.join(others)}).",
                str(path),
                "Use another folder with --out DIR, or the original recipe and data.",
            )
        return state


def save_step(
    checkpoints: Checkpoints, parallel: Parallel, ready: WrappedModel, vlm: Vlm, step: int
) -> None:
    """Save a step's checkpoint in the main process; all processes must call it."""
    state = State(parallel.full_state(ready), step, parallel.gather(random_state()))
    if parallel.main:
        checkpoints.save(vlm, state)


def steps_in(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder by their step."""
    folders = (path for path in folder.glob("step-*") if path.name[5:].isdecimal())
    return sorted(folders, key=lambda path: int(path.name[5:]))


def write_model(
    vlm: Vlm,
    path: Path,
    files: dict[str, bytes] | None = None,
    *,
    weights: dict[str, Tensor] | None = None,
) -> None:
    """Write model (or adapter) in Hugging Face's layout, completely or not at all.

    An adapter's configuration gets the commit of a base on the hub, which moves on. Processor and
    everything else is the base's, byte for byte (vlm/base_files.py). Also writes
    `files`, and checksums of all. Replaces an existing folder of that name. `weights` replace the
    model's weights if it holds only a shard of them.

    Raises:
        UserError: the disk is full or the folder can't be written.
    """
    try:
        sweep(path.parent)
        if vlm.name and not Path(vlm.name).exists():
            for config in getattr(vlm.model, "peft_config", {}).values():
                config.revision = vlm.revision.split("+")[0]
        with whole_folder(path) as temporary, quiet():
            vlm.model.save_pretrained(temporary, state_dict=weights)
            carry_over(vlm, temporary, destination=path)
            for name, data in (files or {}).items():
                (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                (temporary / name).write_bytes(data)
            checksums.seal(temporary)
    except SafetensorError as error:
        raise UserError(
            f"The weights can't be written: {error}.", str(path), "Free disk space and run again."
        ) from error


def read_head(head: nn.Module, path: Path) -> None:
    """Load a head's weights. Raises what torch and safetensors raise where they don't fit."""
    head.load_state_dict(cast(Any, load_file)(path))


def head_bytes(head: nn.Module) -> bytes:
    """Return a head's weights as a safetensors file."""
    return save({name: value.detach().cpu() for name, value in head.state_dict().items()})


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
