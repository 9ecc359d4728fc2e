"""Where a stage's models run, as a recipe says it: in this process, or on a Ray cluster."""

from typing import Annotated, Literal

from pydantic import Field

from groundtune.records import Record


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
