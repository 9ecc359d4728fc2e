"""A study under way: trains and measures what is not there yet, and notes what fails."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from groundtune.bench.run.run import read_scores
from groundtune.pipeline.methods_study.settings import ArmRun, ArmsSettings
from groundtune.pipeline.methods_study.training import Outcome, data_jobs, train_job
from groundtune.pipeline.models.measure import Evaluation, Measure, ToMeasure
from groundtune.pipeline.models.names import fingerprint, model_or_folder
from groundtune.pipeline.models.settings import LabelledModel
from groundtune.pipeline.runs.jobs import Job, JobResult, run_jobs
from groundtune.protocols import Progress
from groundtune.records import Score
from groundtune.store.sealed import read_sealed

Scores = dict[str, list[Score]]
"""By the model's name."""


def _nothing(split: str) -> Sequence[Job]:
    del split
    return ()


@dataclass(slots=True)
class Study:
    """A study under way."""

    settings: ArmsSettings
    out: Path
    measure: Measure
    evaluation: Evaluation
    progress: Progress
    workers: int
    measures: Mapping[str, Measure] = field(default_factory=dict[str, Measure])
    """Of arms that are measured in another way, by the arm's name."""
    rules: tuple[str, ...] = ()
    """Names of what is measured without a model."""
    before: Callable[[str], Sequence[Job]] = _nothing
    """Returns jobs that must be done before any model is measured on a split."""
    failed: dict[str, str] = field(default_factory=dict[str, str])
    """Why runs failed, by their names."""
    steps: dict[str, JobResult] = field(default_factory=dict[str, JobResult])

    def train(self, runs: Sequence[ArmRun]) -> dict[ArmRun, str]:
        """Train what is not trained yet; return each model that there is, under OUT."""
        jobs: dict[str, Job] = {}
        for seed in dict.fromkeys(run.seed for run in runs):
            data = data_jobs(self.settings, seed)
            trained = dict.fromkeys(self._trained(run) for run in runs if run.seed == seed)
            train_jobs = [train_job(self.settings, run, data) for run in trained]
            jobs |= {
                job.name: job for job in [*needed_data(train_jobs, data.values()), *train_jobs]
            }
        self._do(list(jobs.values()), "train")
        models: dict[ArmRun, str] = {}
        for run in runs:
            job = jobs[f"train-{self._trained(run).name}"]
            if job.name in self.steps:
                file = self.out / getattr(job.settings, "out", "") / "outcome.json"
                models[run] = read_sealed(file, Outcome).model
            else:
                self.failed[run.name] = self.failed[self._trained(run).name]
        return models

    def _trained(self, run: ArmRun) -> ArmRun:
        """Return the run whose model this one measures: its own, or that of the arm it is like."""
        arm = self.settings.arms[run.arm]
        return run._replace(arm=arm.like) if arm.measured else run

    def score(self, models: Mapping[ArmRun, str] | Mapping[str, str], split: str) -> Scores:
        """Measure models where they aren't; return the scores of each that has some, by name."""
        self._do(self.before(split), f"prepare the {split} split")
        jobs = {_name(key): self._measured(key, model, split) for key, model in models.items()}
        self._do(list(jobs.values()), f"measure on the {split} split")
        return {
            name: [
                score.model_copy(update={"model": name})
                for score in read_scores(self.out / "evaluation" / f"{name}{_ending(split)}")
            ]
            for name, job in jobs.items()
            if job.name in self.steps
        }

    def _measured(self, key: ArmRun | str, model: str, split: str) -> Job:
        start = self.evaluation.test_start if split == "test" else 0
        changes = {"split": split, "test_start": start}
        evaluation = Evaluation.model_validate({**self.evaluation.model_dump(), **changes})
        label = f"{_name(key)}{_ending(split)}"
        is_rule = model in self.rules
        target = ToMeasure(
            self.settings.part(LabelledModel, model=model, label=label),
            inputs=() if is_rule else (fingerprint(model_or_folder(self.out, model)),),
        )
        measure = (
            self.measures.get(key.arm, self.measure) if isinstance(key, ArmRun) else self.measure
        )
        return measure.job(target, evaluation)

    def _do(self, jobs: Sequence[Job], title: str) -> None:
        if not jobs:
            return
        failures: dict[str, str] = {}
        self.steps |= run_jobs(
            self.out, jobs, self.progress, workers=self.workers, title=title, failed=failures
        )
        for name, why in failures.items():
            self.failed[name.removeprefix("train-").removeprefix("evaluate-")] = why


def _name(key: ArmRun | str) -> str:
    return key.name if isinstance(key, ArmRun) else key


def _ending(split: str) -> str:
    return "-test" if split == "test" else ""


def needed_data(trainings: Sequence[Job], data: Iterable[Job]) -> list[Job]:
    """Return the jobs of data that trainings need, directly or for other data that they need.

    Data come after what they are made of, as in a study's settings, and so does the result.
    """
    names = {name for job in trainings for name in job.needs}
    matches: list[Job] = []
    for job in reversed(list(data)):
        if job.name in names:
            names.update(job.needs)
            matches.append(job)
    return matches[::-1]
