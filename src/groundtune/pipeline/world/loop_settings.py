"""Shared settings of a demo and a study: one loop of descriptions, corrections and learning."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from groundtune.pipeline.models.measure import BASE
from groundtune.pipeline.models.settings import InferenceSettings, LabelledModel
from groundtune.pipeline.sample.run import SampleSettings
from groundtune.pipeline.world.learning import WorldLearning
from groundtune.pipeline.world.steps import WorldEvaluation
from groundtune.records import Sampling
from groundtune.world import NAME


class LoopSettings(InferenceSettings):
    """The loop on the embedded world."""

    MAY_CHANGE = InferenceSettings.MAY_CHANGE | {"settings_tried"}
    model: str = "world:base"
    """The model whose descriptions are corrected and that is trained: world:base, or a folder."""
    prompts: int = Field(default=2000, ge=1)
    """Images that the model describes for the annotator."""
    sampling: Sampling = Sampling(max_new_tokens=128, temperature=1.0)
    """Sampling of these descriptions."""
    corrections: int = Field(default=1400, ge=1)
    """The annotator stops after this number of answers with errors: RLHF-V's number."""
    learn: dict[str, WorldLearning] = Field(default={"ddpo": WorldLearning()}, min_length=1)
    """Ways of learning from the same pairs, by the name that the report gives them."""
    settings_tried: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict[str, int])
    """How many settings of each way of learning were measured before those of `learn` were chosen.

    The report prints them: the more were tried, the more the choice flatters. A way that is not
    named here is printed as not recorded.
    """
    headline: str = "ddpo"
    """The one that the verdict is about."""
    evaluation: WorldEvaluation = WorldEvaluation()
    batch_size: int = Field(default=100, ge=1)
    """Answers that are drawn at once."""

    @model_validator(mode="after")
    def _headline_is_learnt(self) -> Self:
        if self.headline not in self.learn or BASE in self.learn:
            raise ValueError(f"headline must be one of {', '.join(self.learn)}, none called base")
        return self

    @property
    def tried(self) -> dict[str, int | None]:
        """How many settings of each way of learning were tried; None if not recorded."""
        return {way: self.settings_tried.get(way) for way in self.learn}

    def labelled(self, model: str, label: str = "") -> LabelledModel:
        """Return how a model of the loop is loaded and asked."""
        return self.part(LabelledModel, model=model, label=label)

    def descriptions(self, model: str, seed: int) -> SampleSettings:
        """Return how a model is asked for the descriptions that are corrected."""
        prompts = f"{NAME}:{self.prompts}"
        return self.part(SampleSettings, model=model, prompts=prompts, n=1, seed=seed)
