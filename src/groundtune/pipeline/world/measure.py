"""The world's benchmarks as what a run's models are measured by."""

from collections.abc import Sequence

from groundtune.bench.metric import Metric
from groundtune.bench.summary import metrics_of
from groundtune.bench.world.benchmarks import CAPTIONS_AND_QUESTIONS
from groundtune.errors import UserError
from groundtune.pipeline.models.measure import Evaluation, ToMeasure
from groundtune.pipeline.runs.jobs import Job
from groundtune.pipeline.world.notes import limits_of
from groundtune.pipeline.world.pooling import greedy_captions, length_control
from groundtune.pipeline.world.report import world_subject
from groundtune.pipeline.world.steps import EvaluateStep, WorldEvaluation, evaluate_job
from groundtune.records import Estimate, Score
from groundtune.report.model import LengthControl, MetricRef, Subject
from groundtune.world.scenes import Difficulty

SHORT = ("chair_sentence", "chair_instance", "wrong_any", "recall", "words")
FIELDS = ("captions", "questions")
"""The setting of each benchmark's number of images."""


class WorldMeasure:
    """Captions and questions about scenes that no run learns from, of one difficulty."""

    def __init__(self, difficulty: Difficulty = "clear") -> None:
        self._difficulty: Difficulty = difficulty
        self._names = [benchmark.name for benchmark in CAPTIONS_AND_QUESTIONS[difficulty]]

    def job(self, target: ToMeasure, evaluation: Evaluation) -> Job:
        """The job that has a model do both benchmarks."""
        fields = dict(zip(self._names, FIELDS, strict=True))
        unknown = [name for name in evaluation.images if name not in fields]
        if unknown:
            raise UserError(
                f"The world can't measure models with {', '.join(unknown)}.",
                "evaluation.images",
                f"Use {' and '.join(fields)}.",
            )
        world_evaluation = WorldEvaluation.model_validate(
            {
                **evaluation.model_dump(exclude={"images"}),
                **{fields[name]: number for name, number in evaluation.images.items()},
                "self_knowledge": False,
            }
        )
        settings = EvaluateStep(
            model=target.model,
            out=target.out,
            evaluation=world_evaluation,
            difficulty=self._difficulty,
        )
        return evaluate_job(target.job_name, settings, target.inputs, target.needs)

    def metrics(self, benchmark: str) -> Sequence[Metric]:
        """Those of either benchmark."""
        return metrics_of(benchmark)

    @property
    def columns(self) -> tuple[MetricRef, ...]:
        """Of the greedy captions."""
        return tuple(MetricRef(benchmark=f"{self._names[0]}/greedy", metric=name) for name in SHORT)

    def subject(self, estimates: Sequence[Estimate], seeds: int) -> Subject:
        """As on the world's other pages, but with the headline among the columns."""
        limits = limits_of("", seeds)[:1] if seeds == 1 else ()
        return world_subject(estimates, limits, self._names[0]).model_copy(
            update={"headline": self.columns[0], "companions": self.columns[2:]}
        )

    def equal_length(self, ours: Sequence[Score], theirs: Sequence[Score]) -> LengthControl | None:
        """Of the greedy captions."""
        both = (greedy_captions(scores, self._names[0]) for scores in (ours, theirs))
        return length_control(*both)
