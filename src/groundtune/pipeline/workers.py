"""Who works off a stage's batches: this process (the default), or actors of a Ray cluster.

A stage cuts its work into batches, in the same way for both, and a batch goes through a model as a
whole: so what comes out does not depend on who worked.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from groundtune.protocols import Workers
from groundtune.records import Record

T = TypeVar("T")
R = TypeVar("R")


class Local(Record):
    """This process, with one model."""

    type: Literal["local"] = "local"


class OnRay(Record):
    """Actors of a Ray cluster, each with a model of its own. None of it changes what comes out."""

    type: Literal["ray"] = "ray"
    workers: int = Field(default=1, ge=1)
    """Actors."""
    cpus: float = Field(default=1, gt=0)
    """Processors of an actor, which is how many threads it computes with."""
    gpus: float = Field(default=0, ge=0)
    """Accelerators of an actor; with 0 it sees none. Two actors share one at 0.5."""
    address: str = "local"
    """The cluster, as Ray has it: HOST:PORT, ray://HOST:PORT, "auto" for the one that runs on this
    machine, or "local" for one of this machine alone, which ends with the command."""


EngineSettings = Annotated[Local | OnRay, Field(discriminator="type")]


class ThisProcess:
    """`Workers` without any: batches are worked off here, one by one, in order."""

    def run(self, work: Callable[[T], R], batches: Sequence[T]) -> Iterator[tuple[int, R]]:
        """What `work` makes of each batch, with its index."""
        for index, batch in enumerate(batches):
            yield index, work(batch)


@contextmanager
def open_workers(settings: Local | OnRay) -> Generator[Workers, None, None]:
    """The workers that the settings name; a cluster that is started for them ends with the block.

    Raises:
        UserError: Ray isn't installed, the cluster can't be reached, or has not so much.
    """
    if settings.type == "local":
        yield ThisProcess()
        return
    from groundtune.pipeline.ray_workers import open_ray

    with open_ray(settings) as workers:
        yield workers
