"""Models that are loaded where and when they are first used: by a worker, on another machine.

They travel to a process as what opens them, never with weights.
"""

import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from groundtune.errors import UserError
from groundtune.pipeline.models import Labeler, resolve
from groundtune.protocols import Reply, YesNoReply
from groundtune.records import Producer, Prompt, Sampling

M = TypeVar("M")


class Later(Generic[M]):
    """Something that is opened at its first use, once a process.

    `opening` must pickle; what it opened stays in the process where it was opened.
    """

    def __init__(self, opening: Callable[[], M]) -> None:
        self._opening = opening
        self._opened: M | None = None

    def get(self) -> M:
        """It, opened now or before. Raises what `opening` raises."""
        if self._opened is None:
            self._opened = self._opening()
        return self._opened

    def __reduce__(self) -> tuple[type["Later[M]"], tuple[Callable[[], M]]]:
        return type(self), (self._opening,)


class LaterModel:
    """A `Labeler` that says who it is without being loaded: keys need no weights."""

    def __init__(self, name: str, revision: str, model: Later[Labeler]) -> None:
        self.name = name
        self.revision = revision
        self._model = model

    def producer(self, sampling: Sampling, seed: int) -> Producer:
        """Who the answers are by: goes into their keys."""
        return Producer(
            kind="model", name=self.name, revision=self.revision, sampling=sampling, seed=seed
        )

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, seeds: Sequence[int]
    ) -> list[Reply]:
        """The model's replies; it is loaded before the first."""
        return self._model.get().generate(prompts, sampling, seeds)

    def yes_no(self, prompts: Sequence[Prompt]) -> list[YesNoReply]:
        """The model's replies; it is loaded before the first."""
        return self._model.get().yes_no(prompts)


def path_or_name(name: str) -> str:
    """A model's folder as an absolute path, for workers have a folder of their own; else its name.

    world:NAME stays, too: each worker has the shipped weights.
    """
    folder = Path(name)
    return str(folder.absolute()) if resolve(name) == name and folder.exists() else name


def check_folder(path: Path) -> None:
    """Raises UserError where this machine doesn't see the run's folder."""
    if not path.is_dir():
        raise UserError(
            "A worker doesn't see the run's folder.",
            f"{socket.gethostname()}:{path}",
            "Use a file system that all machines have under the same path.",
        )


def check_revision(name: str, here: str, wanted: str) -> None:
    """Raises UserError where a worker loaded other weights than the run's keys speak of."""
    if here != wanted:
        raise UserError(
            f"A worker has other weights under this name: {here}, not {wanted}.",
            f"{socket.gethostname()}:{name}",
            "Name a revision, or a folder that all machines have.",
        )
