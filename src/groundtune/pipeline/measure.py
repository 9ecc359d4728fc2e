"""The seam between a run and what its models are measured by: benchmarks, or checked claims."""

from typing import Literal, NamedTuple, Protocol

from pydantic import Field

from groundtune.pipeline.jobs import Job
from groundtune.records import Record

BASE = "base"
"""Name of the model before any training, in scores and reports."""


class Evaluation(Record):
    """On what models are measured, where the prompts' source has benchmarks of its own."""

    split: Literal["development", "test"] = "development"
    """Nothing is tuned on test; it opens with --final alone."""
    images: dict[str, int] = Field(default_factory=dict[str, int])
    """Number of images, by the benchmark's name; those not named have their usual number."""
    seed: int = 0
    """Of the wordings and the draws: the same for all models that are compared."""
    batch_size: int = Field(default=100, ge=1)


class ToMeasure(NamedTuple):
    """A model that a run wants measured: its scores go into evaluation/LABEL of the folder."""

    label: str
    """Its name in scores."""
    model: str
    """A name, or a folder under the run's."""
    needs: tuple[str, ...] = ()
    """Names of the jobs that make it."""
    inputs: tuple[str, ...] = ()
    """What else decides its scores: hashes of weights and files."""

    @property
    def job_name(self) -> str:
        """The name of the job that measures it."""
        return f"evaluate-{self.label}"

    @property
    def out(self) -> str:
        """Its folder under the run's."""
        return f"evaluation/{self.label}"


class Measure(Protocol):
    """Measures a run's models, and says how its report shows that."""

    def job(self, wanted: ToMeasure, evaluation: Evaluation) -> Job:
        """Return the job that writes a model's scores.

        Raises:
            UserError: `evaluation` asks for what can't be measured.
        """
        ...
