"""What a study of methods compares. Nothing here needs torch."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from groundtune.pipeline.feedback.claim_settings import ClaimSettings
from groundtune.pipeline.models.measure import BASE, Evaluation
from groundtune.pipeline.models.settings import InferenceSettings
from groundtune.records import Record, Sampling

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
Values = dict[str, Any]
"""Settings of a recipe by their dotted keys, as in {optim.lr: 1.0e-4}. A text may contain {NAME}:
the folder of data with that name, or the model in it."""


class Answers(Record):
    """Answers of the study's model, and feedback about them."""

    type: Literal["answers"] = "answers"
    prompts: str = ""
    """A file of prompts, a folder, or a source's: world:600 by the run's seed."""
    of: str = ""
    """Other data whose answers get feedback, instead of new answers."""
    images: str = ""
    """Folder of the images that the prompts name."""
    n: int = Field(default=1, ge=1)
    """Answers per prompt."""
    sampling: Sampling = Sampling(max_new_tokens=128, temperature=1.0)
    by: Literal["corrections", "comparisons", "claims", "nobody"] = "corrections"
    """Feedback of a simulated person, or of a labeler (`feedback`); "nobody" gives none."""
    error_rate: float = Field(default=0.0, ge=0, le=1)
    """Share of the person's verdicts that are wrong."""
    feedback: ClaimSettings = ClaimSettings()

    @model_validator(mode="after")
    def _has_answers(self) -> Self:
        if not (self.of or self.prompts or self.images):
            raise ValueError("answers need prompts, or `of` with the name of other data")
        return self


class RewardModelRecipe(Record):
    """A model that arms need, trained by a recipe: a reward model."""

    type: Literal["trained"] = "trained"
    recipe: str
    """Name or file of the recipe that trains it."""
    set: Values = Field(default_factory=dict)
    """Overrides of the recipe."""


class Rewrites(Record):
    """Pairs of answers that are corrected and reworded, as `groundtune rewrite` makes them."""

    type: Literal["rewritten"] = "rewritten"
    of: str
    """Other data, whose answers are corrected."""
    set: Values = Field(default_factory=dict)
    """Settings of `groundtune rewrite`: {labeler: world:labeler, second: none}."""


Data = Annotated[Answers | RewardModelRecipe | Rewrites, Field(discriminator="type")]


class Arm(Record):
    """A way of training: a recipe with overrides, and the settings that are tried."""

    recipe: str = ""
    """Name of a recipe, or a YAML file; an arm that is `like` another has that one's."""
    set: Values = Field(default_factory=dict)
    """Overrides of the recipe, the same for all settings that are tried."""
    search: tuple[Values, ...] = ()
    """The settings that are tried, each as further overrides; () tries those of the study."""
    like: str = ""
    """Another arm whose chosen setting this one uses, without a search of its own."""
    measured: Values = Field(default_factory=dict)
    """Measure the models of the arm `like` once more, in another way, without a training: {facts:
    other-scene} has a reward model read other facts."""
    note: str = ""
    """One line for tables."""


class ArmChoice(Record):
    """How an arm's setting is chosen, on the development split."""

    metric: str = ""
    """"" chooses by the headline metric."""
    keep: str = ""
    """A metric that may not get worse than the base's by more than `lost`; "" has none."""
    lost: float = Field(default=0.02, ge=0)
    """In the metric's unit; a share is between 0 and 1."""


class ArmsSettings(InferenceSettings):
    """Arms with equal searches, whatever they train."""

    MAY_CHANGE = InferenceSettings.MAY_CHANGE | {"shown"}
    model: str = "world:base"
    """What every arm starts from."""
    arms: dict[str, Arm] = Field(min_length=1)
    """By name. The first is the one that others are compared with, next to the base."""
    search: tuple[Values, ...] = ({},)
    """The settings that every arm without its own tries."""
    data: dict[str, Data] = Field(default_factory=dict[str, Data])
    """What arms learn from, made once per seed; later entries may use earlier ones."""
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    """Seeds of data and training. Settings are tried on the first."""
    choose: ArmChoice = ArmChoice()
    compare: tuple[tuple[str, str], ...] = ()
    """Further pairs of arms that are compared."""
    shown: tuple[str, ...] = ()
    """Metrics of the main table, as BENCHMARK:METRIC; () has the usual ones."""
    batch_size: int = Field(default=100, ge=1)

    @model_validator(mode="after")
    def _names(self) -> Self:
        bad = [name for name in (*self.arms, *self.data) if not _NAME.fullmatch(name)]
        if bad or BASE in self.arms:
            raise ValueError(f"{bad[0] if bad else BASE!r} can't be a name: use a-z, 0-9 and -")
        for name, arm in self.arms.items():
            if arm.like and (arm.like not in self.arms or self.arms[arm.like].like or arm.search):
                raise ValueError(f"arms.{name}.like must name an arm with a search, and have none")
            if not (arm.recipe or arm.like):
                raise ValueError(f"arms.{name} needs a recipe")
            if arm.measured and (arm.set or not arm.like):
                raise ValueError(f"arms.{name}.measured needs `like`, and no `set`")
        unknown = {each for pair in self.compare for each in pair} - self.arms.keys()
        if unknown:
            raise ValueError(f"compare names no arm: {', '.join(sorted(unknown))}")
        return self

    @model_validator(mode="after")
    def _searches_are_equal(self) -> Self:
        numbers = {name: len(self.tried(name)) for name in self.arms if not self.arms[name].like}
        if len(set(numbers.values())) > 1:
            counts = ", ".join(f"{name} {number}" for name, number in numbers.items())
            raise ValueError(f"every arm must try as many settings, or more tries win: {counts}")
        if self.tried(next(iter(numbers))) == ():
            raise ValueError("search is empty: an arm tries at least one setting")
        return self

    def tried(self, arm: str) -> tuple[Values, ...]:
        """Return the settings that an arm tries, or those of the arm that it is like."""
        searched_arm = self.arms[self.arms[arm].like or arm]
        return searched_arm.search or self.search


class MethodsStudySettings(ArmsSettings):
    """Arms that train the model itself: measured by a prompt source's benchmarks."""

    command: Literal["methods-study"] = "methods-study"
    source: str = "world"
    """The prompt source whose benchmarks measure the models."""
    evaluation: Evaluation = Evaluation()
    """Number of images; settings are chosen on the development split."""


class ArmRun(NamedTuple):
    """One training of an arm."""

    arm: str
    number: int
    """Of the setting, from 0."""
    seed: int

    @property
    def name(self) -> str:
        """Its model's name in scores."""
        return f"{self.arm}-{self.number + 1}-s{self.seed}"


class StudyOutcome(NamedTuple):
    """The result of a study, and its files."""

    report: Path
    results: Path
    markdown: Path
    verdict: str
    table: list[list[str]]
    failed: dict[str, str]
    """Why arms failed, by the run's name."""
