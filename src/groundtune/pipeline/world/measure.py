"""The world's benchmarks as what a run's models are measured by."""

from groundtune.bench.world.captions import NAME as CAPTIONS
from groundtune.bench.world.questions import NAME as QUESTIONS
from groundtune.errors import UserError
from groundtune.pipeline import measure
from groundtune.pipeline.jobs import Job
from groundtune.pipeline.measure import ToMeasure
from groundtune.pipeline.world.steps import Evaluated, Evaluation, evaluate_job

FIELDS = {CAPTIONS: "captions", QUESTIONS: "questions"}
"""The setting of each benchmark's number of images."""


class WorldMeasure:
    """Captions and questions about scenes that no run learns from."""

    def job(self, wanted: ToMeasure, evaluation: measure.Evaluation) -> Job:
        """The job that has a model do both benchmarks."""
        unknown = [name for name in evaluation.images if name not in FIELDS]
        if unknown:
            raise UserError(
                f"Models are not measured by {', '.join(unknown)} here.",
                "evaluation.images",
                f"Use {' and '.join(FIELDS)}.",
            )
        own = Evaluation.model_validate(
            {
                **evaluation.model_dump(exclude={"images"}),
                **{FIELDS[name]: number for name, number in evaluation.images.items()},
                "knowing": False,
            }
        )
        settings = Evaluated(model=wanted.model, label=wanted.label, out=wanted.out, evaluation=own)
        return evaluate_job(wanted.job_name, settings, wanted.inputs, wanted.needs)
