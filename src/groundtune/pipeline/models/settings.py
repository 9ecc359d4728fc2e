"""Which model a stage runs, and how: the settings that all stages share. Nothing here needs torch.

A stage's settings are an `InferenceSettings` where it runs several models under names of its own,
and a `ModelSettings` where it runs one. They travel whole to whatever opens the model.
"""

from typing import Annotated, Literal, Self

from pydantic import Field

from groundtune.recipe_loading import Settings
from groundtune.records import Record


class Local(Record):
    """This process, with one model."""

    type: Literal["local"] = "local"


class OnRay(Record):
    """Actors of a Ray cluster, each with its own model. None of this changes any result."""

    type: Literal["ray"] = "ray"
    workers: int = Field(default=1, ge=1)
    """Actors."""
    cpus: float = Field(default=1, gt=0)
    """Processors per actor, which is how many threads it computes with."""
    gpus: float = Field(default=0, ge=0)
    """Accelerators per actor; with 0 it sees none. Two actors share one at 0.5."""
    address: str = "local"
    """The cluster, as Ray writes it: HOST:PORT, ray://HOST:PORT, "auto" for the one that runs on
    this machine, or "local" for one of this machine alone, which ends with the command."""


EngineSettings = Annotated[Local | OnRay, Field(discriminator="type")]


class InferenceSettings(Settings):
    """How a stage loads and asks its models, whichever they are."""

    MAY_CHANGE = frozenset({"device", "batch_size", "engine"})

    device: str = "auto"
    """cpu, cuda, cuda:1, mps, or "auto" for an accelerator where there is one."""
    dtype: str = "auto"
    """float32, bfloat16, float16, or "auto": the checkpoint's own on an accelerator, float32 on a
    CPU."""
    batch_size: int = Field(default=16, ge=1)
    """Rows that a model answers at once (of an endpoint: concurrent requests); what a kill loses at
    most. Changes speed and memory only."""
    special_tokens: Literal["refuse", "text"] = "refuse"
    """Special tokens that the text of a prompt or an answer spells (`</s>`, `<|im_end|>`): "refuse"
    is an error, "text" encodes their characters."""
    engine: EngineSettings = Local()
    """Where models run: `type: local` or `type: ray`. It changes no result."""


class ModelSettings(InferenceSettings):
    """One model, and how a stage loads and asks it."""

    model: str
    """A folder, a name on the Hugging Face hub, world:base, or openai:MODEL@URL for an endpoint."""
    adapter: str = ""
    """Folder of a peft adapter on the model, if any."""
    revision: str = "main"
    """Branch, tag or commit on the hub; refused for folders and endpoints, which have none."""

    def of(self, model: str) -> Self:
        """Return the same settings for another model, without this one's adapter.

        A model of the same name has the same revision: the reference of a model with an adapter,
        for example. Others have "main".
        """
        revision = self.revision if model == self.model else "main"
        return self.model_copy(update={"model": model, "adapter": "", "revision": revision})


class LabelledModel(ModelSettings):
    """A model and what answers, scores and clients call it."""

    label: str = ""
    """Its name there; `model` if empty."""

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.label or self.model
