"""Models that are loaded where and when they are first used: by a worker, on another machine.

They travel to a process as what opens them, never with weights.
"""

import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from groundtune.errors import UserError
from groundtune.pipeline.model_settings import ModelSettings
from groundtune.pipeline.models import Labeler, load_vlm, resolve
from groundtune.protocols import Reply, YesNoReply
from groundtune.records import Producer, Prompt, Sampling

if TYPE_CHECKING:
    from groundtune.vlm.load import Vlm

M = TypeVar("M")


class Lazy(Generic[M]):
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

    def __reduce__(self) -> tuple[type["Lazy[M]"], tuple[Callable[[], M]]]:
        return type(self), (self._opening,)


class LazyModel:
    """A `Labeler` that says who it is without being loaded: keys need no weights."""

    def __init__(self, name: str, revision: str, model: Lazy[Labeler]) -> None:
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


def for_workers(settings: ModelSettings) -> ModelSettings:
    """Return the model with absolute paths, since each worker runs in another folder.

    Names on the hub and world:NAME stay: each worker has the shipped weights.
    """
    model, adapter = Path(settings.model), settings.adapter
    is_folder = resolve(settings.model) == settings.model and model.exists()
    return settings.part(
        ModelSettings,
        model=str(model.absolute()) if is_folder else settings.model,
        adapter=str(Path(adapter).absolute()) if adapter else "",
    )


def check_folder(path: Path) -> None:
    """Raises UserError where this machine doesn't see the run's folder."""
    if not path.is_dir():
        raise UserError(
            "A worker doesn't see the run's folder.",
            f"{socket.gethostname()}:{path}",
            "Use a file system that all machines have under the same path.",
        )


def load_in_worker(settings: ModelSettings, revision: str) -> "Vlm":
    """Load a model in a worker.

    Raises:
        UserError: it can't be loaded, or has another revision than the run's keys name.
    """
    vlm = load_vlm(settings)
    if vlm.revision != revision:
        raise UserError(
            f"A worker has other weights under this name: {vlm.revision}, not {revision}.",
            f"{socket.gethostname()}:{settings.model}",
            "Name a revision, or a folder that all machines have.",
        )
    return vlm
