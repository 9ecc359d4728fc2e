"""A quick measure of models for tests of studies: figures drawn by the hash of the weights."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from groundtune.bench.metric import Metric
from groundtune.pipeline.models.measure import BASE, Evaluation, ToMeasure
from groundtune.pipeline.models.names import fingerprint, model_or_folder
from groundtune.pipeline.runs.jobs import Job
from groundtune.protocols import Progress
from groundtune.recipe_loading import Settings
from groundtune.records import Estimate, Score
from groundtune.report.model import LengthControl, MetricRef, Subject
from groundtune.report.specs import metric_specs
from groundtune.store.dataset import RecordSet


def _share(name: str, better: Literal["lower", "higher"]) -> Metric:
    label = name.capitalize()
    weights = {name: 1.0}, {"asked": 1.0}
    return Metric(
        name=name, label=label, numerator=weights[0], denominator=weights[1], better=better
    )


METRICS = (_share("wrong", "lower"), _share("kept", "higher"))


class WeightsStep(Settings):
    """What is measured."""

    model: str
    label: str
    out: str
    split: str


def measure_weights(folder: Path, settings: WeightsStep, progress: Progress) -> None:
    """Write twenty scores of a model; the base keeps all."""
    mark = fingerprint(model_or_folder(folder, settings.model))
    draw = random.Random(f"{mark} {settings.split}")
    rows = [
        Score(
            key=f"{settings.label} {item}",
            benchmark="weights",
            item=f"{item}",
            image=f"{item}",
            model=settings.label,
            values={
                "wrong": float(draw.random() < 0.5),
                "kept": float(draw.random() < 0.5 or settings.label == BASE),
            },
        )
        for item in range(20)
    ]
    RecordSet(folder / settings.out / "scores", Score).append(rows)


class WeightsMeasure:
    """Measures nothing but which weights there are."""

    def job(self, target: ToMeasure, evaluation: Evaluation) -> Job:
        """The job that writes a model's scores."""
        model = target.model
        step = WeightsStep(
            model=model.model, label=model.label, out=target.out, split=evaluation.split
        )
        return Job(
            name=target.job_name,
            title="measure",
            work=measure_weights,
            settings=step,
            needs=target.needs,
            inputs=target.inputs,
        )

    def metrics(self, benchmark: str) -> Sequence[Metric]:
        """Both."""
        del benchmark
        return METRICS

    @property
    def columns(self) -> tuple[MetricRef, ...]:
        """Both."""
        return tuple(MetricRef(benchmark="weights/greedy", metric=each.name) for each in METRICS)

    def subject(self, estimates: Sequence[Estimate], seeds: int) -> Subject:
        """A plain one."""
        del estimates, seeds
        return Subject(metrics=metric_specs(METRICS), headline=self.columns[0])

    def equal_length(self, ours: Sequence[Score], theirs: Sequence[Score]) -> LengthControl | None:
        """Lengths are not there."""
        del ours, theirs
        return None
