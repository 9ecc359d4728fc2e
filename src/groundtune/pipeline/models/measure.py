"""The seam between a run and what its models are measured by: benchmarks, or checked claims."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from pydantic import Field

from groundtune.pipeline.models.settings import LabelledModel
from groundtune.pipeline.runs.jobs import Job
from groundtune.records import Estimate, Record, Score

if TYPE_CHECKING:
    from groundtune.bench.metric import Metric
    from groundtune.report.model import LengthControl, MetricRef, Subject

BASE = "base"
"""Name of the model before any training, in scores and reports."""


class Evaluation(Record):
    """On what models are measured, where the prompts' source has benchmarks of its own."""

    split: Literal["development", "test"] = "development"
    """Nothing is tuned on test; it opens with --final alone."""
    images: dict[str, int] = Field(default_factory=dict[str, int])
    """Number of images, by the benchmark's name; those not named have their usual number."""
    test_start: int = Field(default=0, ge=0, exclude_if=lambda start: start == 0)
    """Number of images of the test split that are passed over, since they were opened before."""
    seed: int = 0
    """Of the wordings and the draws: the same for all models that are compared."""


class ToMeasure(NamedTuple):
    """A model that a run wants measured: its scores go into evaluation/LABEL of the folder."""

    model: LabelledModel
    """By a name, or a folder under the run's; its label is its name in scores."""
    needs: tuple[str, ...] = ()
    """Names of the jobs that make it."""
    inputs: tuple[str, ...] = ()
    """What else decides its scores: hashes of weights and files."""

    @property
    def job_name(self) -> str:
        """The name of the job that measures it."""
        return f"evaluate-{self.model.label}"

    @property
    def out(self) -> str:
        """Its folder under the run's."""
        return f"evaluation/{self.model.label}"


class Measure(Protocol):
    """Measures a run's models, and says how its report shows that."""

    def job(self, target: ToMeasure, evaluation: Evaluation) -> Job:
        """Return the job that writes a model's scores.

        Raises:
            UserError: `evaluation` asks for what can't be measured.
        """
        ...

    def metrics(self, benchmark: str) -> "Sequence[Metric]":
        """Return the metrics of the scores that bear this benchmark's name."""
        ...

    @property
    def columns(self) -> "tuple[MetricRef, ...]":
        """The metrics of a short table; the first is the headline."""
        ...

    def subject(self, estimates: Sequence[Estimate], seeds: int) -> "Subject":
        """Return how a page shows figures over `seeds` seeds; the caller sets `fixed`."""
        ...

    def equal_length(
        self, ours: Sequence[Score], theirs: Sequence[Score]
    ) -> "LengthControl | None":
        """Compare two models' answers at equal length; None where length isn't controlled."""
        ...


def with_seed(scores: Sequence[Score], name: str, seed: int) -> list[Score]:
    """Scores under another model's name, their items distinguished by the run's seed."""
    return [s.model_copy(update={"model": name, "item": f"{s.item}#{seed}"}) for s in scores]
