"""What a study varies, the names of its runs, and its result."""

from pathlib import Path
from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from groundtune.pipeline.models.measure import BASE
from groundtune.pipeline.runs.jobs import Job, JobResult
from groundtune.pipeline.world.loop_settings import LoopSettings

TWIN = "clean twin"


class StudySettings(LoopSettings):
    """What the study varies; the shipped recipe is world-study.

    `model` is the base of the main result and of the curves; `corrections` is the main result's.
    """

    command: Literal["study"] = "study"
    other_bases: dict[str, str] = Field(default_factory=dict[str, str])
    """Folders of bases trained from other seeds, by name."""
    clean_twin: str = ""
    """A base trained on clean captions from the same seed; measured, never trained on."""
    seeds: tuple[int, ...] = Field(default=(0, 1, 2), min_length=1)
    """Seeds of the main result, for scenes, sampling, annotator and training."""
    other_seeds: tuple[int, ...] = (0,)
    """Seeds on the other bases."""
    curve: tuple[int, ...] = (50, 200, 700)
    """Numbers of corrections, besides the main result's."""
    error_rates: tuple[float, ...] = (0.1, 0.2, 0.3)
    """Error rates of the annotator, besides 0."""
    curve_seeds: tuple[int, ...] = (0,)
    """Seeds of the curves' runs."""

    @model_validator(mode="after")
    def _names(self) -> Self:
        if TWIN in self.learn or {BASE, TWIN} & self.other_bases.keys():
            raise ValueError(f"no base or way of learning is called {BASE} or {TWIN}")
        return self

    @property
    def bases(self) -> dict[str, str]:
        """All bases that are trained on, by name, with the main result's first."""
        return {BASE: self.model, **self.other_bases}


class Variant(NamedTuple):
    """One run of the loop."""

    base: str
    way: str
    seed: int
    corrections: int
    error_rate: float

    @property
    def name(self) -> str:
        """Its model's name in scores."""
        return (
            f"{self.way}-{self.base}-s{self.seed}-n{self.corrections}-e{self.error_rate * 100:.0f}"
        )


class StudyPlan(NamedTuple):
    """The jobs, and the folder of each model's scores."""

    jobs: list[Job]
    scores: dict[str, Path]
    """Folder under the study's, by the model's name."""
    trained: dict[str, Path]
    """Folder of the training, by the model's name."""
    base_answers: list[Path]
    """Folders of the bases' answers."""


class StudyResult(NamedTuple):
    """The result of a study, and its files."""

    report: Path
    results: Path
    markdown: Path
    verdict: str
    steps: dict[str, JobResult]


def variants(settings: StudySettings) -> list[Variant]:
    """Every run of the study once: the main result's first."""
    corrections_ = settings.corrections
    result = [
        Variant(BASE, way, s, corrections_, 0.0) for s in settings.seeds for way in settings.learn
    ]
    result += [
        Variant(base, way, s, corrections_, 0.0)
        for base in settings.other_bases
        for s in settings.other_seeds
        for way in settings.learn
    ]
    for seed in settings.curve_seeds:
        way = settings.headline
        result += [Variant(BASE, way, seed, n, 0.0) for n in (*settings.curve, corrections_)]
        result += [Variant(BASE, way, seed, corrections_, rate) for rate in settings.error_rates]
    return list(dict.fromkeys(result))
