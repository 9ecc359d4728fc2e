"""How rounds are measured: by their prompt source's benchmarks, or by checked claims."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from groundtune.pipeline.align.settings import AlignSettings
from groundtune.pipeline.align.steps import ModelCheck, check_model
from groundtune.pipeline.check.scores import METRICS, WHERE
from groundtune.pipeline.models.measure import Evaluation, Measure, ToMeasure
from groundtune.pipeline.models.prompt_sources import named_in
from groundtune.pipeline.runs.jobs import Job
from groundtune.records import Estimate, Score

if TYPE_CHECKING:
    from groundtune.bench.metric import Metric
    from groundtune.report.model import LengthControl, MetricRef, Subject

SELF_NOTE = (
    "What is rejected is what the labeler says no to, not what is wrong: groundtune check with "
    "answers that a person has marked tells how far the two lie apart."
)
SHORT = ("rejected_answers", "rejected_claims", "supported_claims", "words")


def measure_of(settings: AlignSettings) -> Measure:
    """Return the measure of the prompt source, or else `ClaimMeasure`."""
    source = named_in(settings.prompts)
    if source is not None and source.measure is not None:
        return source.measure()
    return ClaimMeasure(settings)


class ClaimMeasure:
    """Measures answers to the held-out prompts by their checked claims.

    The same labeler checks all models: where that is "self", the first round's model.
    """

    def __init__(self, settings: AlignSettings) -> None:
        self._settings = settings

    def job(self, target: ToMeasure, evaluation: Evaluation) -> Job:
        """Return the job that lets a model answer and checks its claims; `evaluation` is unused."""
        del evaluation
        return Job(
            name=target.job_name,
            title=f"measure {target.model.label}",
            work=check_model,
            settings=ModelCheck(run=self._settings, model=target.model, out=target.out),
            needs=target.needs,
            inputs=target.inputs,
            cost=4,
            tasks={"sample": 0.5, "check": 0.5},
        )

    def metrics(self, benchmark: str) -> "Sequence[Metric]":
        """Metrics of checked claims."""
        del benchmark
        return METRICS

    @property
    def columns(self) -> "tuple[MetricRef, ...]":
        """Rejected claims, then cost metrics."""
        from groundtune.report.model import MetricRef

        return tuple(MetricRef(benchmark=WHERE, metric=name) for name in SHORT)

    def subject(self, estimates: Sequence[Estimate], seeds: int) -> "Subject":
        """Return the subject of claim pages, with a warning about who checked the claims."""
        from groundtune.pipeline.check.page import claims_subject
        from groundtune.report.model import Note
        from groundtune.report.verdict import ONE_SEED

        del estimates
        return claims_subject("Claims, on prompts that were held back").model_copy(
            update={
                "headline": self.columns[0],
                "companions": self.columns[2:],
                "notes": (Note(kind="warning", text=SELF_NOTE),),
                "limits": (ONE_SEED,) if seeds == 1 else (),
            }
        )

    def equal_length(
        self, ours: Sequence[Score], theirs: Sequence[Score]
    ) -> "LengthControl | None":
        """Not controlled: shorter answers have fewer claims, which a column shows."""
        del ours, theirs
        return None
