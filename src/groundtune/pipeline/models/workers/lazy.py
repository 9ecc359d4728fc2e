"""Models that load at their first use, for example in a worker on another machine.

Pickling one sends the function that loads it, never the weights.
"""

import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from groundtune.errors import UserError
from groundtune.pipeline.models.names import Labeler, load_vlm, resolve
from groundtune.pipeline.models.settings import ModelSettings
from groundtune.protocols import Reply, YesNoReply
from groundtune.records import Producer, Prompt, Sampling

if TYPE_CHECKING:
    from groundtune.vlm.load import Vlm

M = TypeVar("M")


class Lazy(Generic[M]):
    """A value that is loaded at its first use, once per process.

    `load` must be picklable; the loaded value stays in its process.
    """

    def __init__(self, load: Callable[[], M]) -> None:
        self._load = load
        self._value: M | None = None

    def get(self) -> M:
        """Return the value, loading it the first time. Raises what `load` raises."""
        if self._value is None:
            self._value = self._load()
        return self._value

    def __reduce__(self) -> tuple[type["Lazy[M]"], tuple[Callable[[], M]]]:
        return type(self), (self._load,)


class LazyModel:
    """A `Labeler` with a known name and revision that loads its model at the first request."""

    def __init__(self, name: str, revision: str, model: Lazy[Labeler]) -> None:
        self.name = name
        self.revision = revision
        self._model = model

    def producer(self, sampling: Sampling, seed: int) -> Producer:
        """Return the producer of the answers, which is part of their keys."""
        return Producer(
            kind="model", name=self.name, revision=self.revision, sampling=sampling, seed=seed
        )

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, seeds: Sequence[int]
    ) -> list[Reply]:
        """Return the model's replies; load the model the first time."""
        return self._model.get().generate(prompts, sampling, seeds)

    def yes_no(self, prompts: Sequence[Prompt]) -> list[YesNoReply]:
        """Return the model's yes/no probabilities; load the model the first time."""
        return self._model.get().yes_no(prompts)


def for_workers(settings: ModelSettings) -> ModelSettings:
    """Return the model with absolute paths, since each worker runs in another folder.

    Hub names and world:NAME are unchanged: each worker has the shipped weights.
    """
    model, adapter = Path(settings.model), settings.adapter
    is_folder = resolve(settings.model) == settings.model and model.exists()
    return settings.part(
        ModelSettings,
        model=str(model.absolute()) if is_folder else settings.model,
        adapter=str(Path(adapter).absolute()) if adapter else "",
    )


def check_folder(path: Path) -> None:
    """Raise UserError if this machine can't access the run's folder."""
    if not path.is_dir():
        raise UserError(
            "A worker can't access the run's folder.",
            f"{socket.gethostname()}:{path}",
            "Use a file system that all machines mount under the same path.",
        )


def load_in_worker(settings: ModelSettings, revision: str) -> "Vlm":
    """Load a model in a worker.

    Raises:
        UserError: it can't be loaded, or its revision differs from the run's.
    """
    vlm = load_vlm(settings)
    if vlm.revision != revision:
        raise UserError(
            f"A worker has other weights for this model: {vlm.revision}, not {revision}.",
            f"{socket.gethostname()}:{settings.model}",
            "Set a revision, or use a folder that all machines can access.",
        )
    return vlm
