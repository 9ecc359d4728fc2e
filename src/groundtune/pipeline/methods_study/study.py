"""A study under way: trains and measures what is not there yet, and notes what fails."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from groundtune.bench.run import read_scores
from groundtune.pipeline.jobs import Done, Job, run_jobs
from groundtune.pipeline.measure import Evaluation, Measure, ToMeasure
from groundtune.pipeline.methods_study.settings import ArmsSettings, Run
from groundtune.pipeline.methods_study.training import Outcome, data_jobs, train_job
from groundtune.pipeline.model_settings import LabelledModel
from groundtune.pipeline.models import fingerprint, model_or_folder
from groundtune.protocols import Progress
from groundtune.records import Score
from groundtune.store.sealed import read_sealed

Scores = dict[str, list[Score]]
"""By the model's name."""


@dataclass(slots=True)
class Study:
    """A study under way."""

    settings: ArmsSettings
    out: Path
    measure: Measure
    evaluation: Evaluation
    progress: Progress
    workers: int
    failed: dict[str, str] = field(default_factory=dict[str, str])
    """Why runs failed, by their names."""
    steps: dict[str, Done] = field(default_factory=dict[str, Done])

    def train(self, runs: Sequence[Run]) -> dict[Run, str]:
        """Train what is not trained yet; return each model that there is, under OUT."""
        jobs: dict[str, Job] = {}
        for seed in dict.fromkeys(run.seed for run in runs):
            data = data_jobs(self.settings, seed)
            own = [train_job(self.settings, run, data) for run in runs if run.seed == seed]
            needed = {name for job in own for name in job.needs}
            jobs |= {job.name: job for job in data.values() if _is_needed(job, data, needed)}
            jobs |= {job.name: job for job in own}
        self._do(list(jobs.values()), "train")
        models: dict[Run, str] = {}
        for run in runs:
            job = jobs[f"train-{run.name}"]
            if job.name in self.steps:
                file = self.out / getattr(job.settings, "out", "") / "outcome.json"
                models[run] = read_sealed(file, Outcome).model
        return models

    def score(self, models: Mapping[str, str], split: str) -> Scores:
        """Measure models by name, where they aren't; return the scores of each that has some."""
        evaluation = Evaluation.model_validate({**self.evaluation.model_dump(), "split": split})
        ending = "-test" if split == "test" else ""
        jobs = {
            name: self.measure.job(
                ToMeasure(
                    self.settings.part(LabelledModel, model=model, label=f"{name}{ending}"),
                    inputs=(fingerprint(model_or_folder(self.out, model)),),
                ),
                evaluation,
            )
            for name, model in models.items()
        }
        self._do(list(jobs.values()), f"measure on the {split} split")
        return {
            name: [
                score.model_copy(update={"model": name})
                for score in read_scores(self.out / "evaluation" / f"{name}{ending}")
            ]
            for name, job in jobs.items()
            if job.name in self.steps
        }

    def _do(self, jobs: Sequence[Job], title: str) -> None:
        lost: dict[str, str] = {}
        self.steps |= run_jobs(
            self.out, jobs, self.progress, workers=self.workers, title=title, failed=lost
        )
        for name, why in lost.items():
            self.failed[name.removeprefix("train-").removeprefix("evaluate-")] = why


def _is_needed(job: Job, data: Mapping[str, Job], needed: set[str]) -> bool:
    """Whether a job of data is needed by a training, or by other data that are."""
    if job.name in needed:
        return True
    return any(job.name in other.needs and other.name in needed for other in data.values())
