"""What the models of rounds are measured by: their prompt source's benchmarks, or their claims."""

from groundtune.pipeline.align.settings import AlignSettings
from groundtune.pipeline.align.steps import Checked, check_model, with_self
from groundtune.pipeline.jobs import Job
from groundtune.pipeline.measure import Evaluation, Measure, ToMeasure
from groundtune.pipeline.prompt_sources import named_in


def measure_of(settings: AlignSettings) -> Measure:
    """Return the measure of the prompts' source, or else that of claims."""
    source = named_in(settings.prompts)
    if source is not None and source.measure is not None:
        return source.measure()
    return ClaimMeasure(settings)


class ClaimMeasure:
    """Answers to the prompts that are held back for the report, by their checked claims.

    All models are checked by the same labeler: where that is "self", by the first round's model.
    """

    def __init__(self, settings: AlignSettings) -> None:
        self._settings = settings

    def job(self, wanted: ToMeasure, evaluation: Evaluation) -> Job:
        """The job that has a model answer and its claims checked; `evaluation` is not used."""
        del evaluation
        own = self._settings
        checked = Checked(
            model=wanted.model,
            label=wanted.label,
            out=wanted.out,
            feedback=with_self(own.feedback, own.model),
            max_new_tokens=own.sampling.max_new_tokens,
            batch_size=own.batch_size,
        )
        return Job(
            name=wanted.job_name,
            title=f"measure {wanted.label}",
            work=check_model,
            settings=checked,
            needs=wanted.needs,
            inputs=wanted.inputs,
            cost=4,
            tasks={"sample": 0.5, "check": 0.5},
        )
