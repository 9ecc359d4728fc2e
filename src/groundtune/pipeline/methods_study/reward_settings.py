"""What a study of reward models compares. Nothing here needs torch."""

from typing import Literal, Self

from pydantic import Field, model_validator

from groundtune.pipeline.feedback.claim_settings import ClaimSettings
from groundtune.pipeline.methods_study.settings import Answers, Arm, ArmsSettings
from groundtune.records import Record, Sampling

COMPARED = "compared"
"""The data that all arms learn from, unless they name other feedback."""
RULES = ("shorter", "claims")
"""Rows without a model: the shorter answer wins; fewer rejected claims win, then more supported."""


class HeldOutSettings(Record):
    """Answers about scenes that no arm learns from, compared without errors."""

    benchmark: str = "world-captions"
    """Its scenes are described: those of the development split, with --final those of test."""
    n: int = Field(default=5, ge=2)
    """Answers per scene."""
    sampling: Sampling = Sampling(max_new_tokens=128, temperature=1.0)
    development: int = Field(default=200, ge=1)
    """Scenes to choose settings by."""
    test: int = Field(default=1000, ge=1)
    """Scenes of the test split."""
    test_start: int = Field(default=0, ge=0, exclude_if=lambda start: start == 0)
    """Number of scenes of the test split that are passed over, since they were opened before."""


class RewardStudySettings(ArmsSettings):
    """Arms that train reward models, measured on the same held-out comparisons."""

    command: Literal["reward study"] = "reward study"
    learn: Answers = Answers(prompts="world:400", n=5, by="comparisons")
    """What arms learn from: answers of `model`, compared by a simulated person."""
    error_rates: tuple[float, ...] = ()
    """Further shares of wrong comparisons to learn from. Held-out comparisons have none."""
    with_errors: tuple[str, ...] = ()
    """The arms that are also trained with these errors, with the setting chosen without."""
    held_out: HeldOutSettings = HeldOutSettings()
    claims: ClaimSettings | None = None
    """Who checks claims for the row `claims`; none without it."""

    @model_validator(mode="after")
    def _arms_with_errors_are_there(self) -> Self:
        if unknown := set(self.with_errors) - self.arms.keys():
            raise ValueError(f"with_errors names no arm: {', '.join(sorted(unknown))}")
        if self.learn.by != "comparisons":
            raise ValueError("learn.by must be comparisons")
        return self

    @property
    def rules(self) -> tuple[str, ...]:
        """The rows without a model."""
        return RULES if self.claims is not None else RULES[:1]

    def expanded(self) -> Self:
        """Return the settings with an arm and data for each share of errors, none left out."""
        data = {COMPARED: self.learn, **self.data}
        arms = {name: _learning_from(arm, COMPARED) for name, arm in self.arms.items()}
        for rate in self.error_rates:
            ending = f"{rate * 100:.0f}"
            name = f"{COMPARED}-{ending}"
            data[name] = self.learn.model_copy(update={"error_rate": rate, "of": COMPARED})
            for arm in self.with_errors:
                trained_arm = _learning_from(self.arms[arm], name)
                like = {"like": trained_arm.like or arm, "search": (), "note": f"{ending}% wrong"}
                arms[f"{arm}-{ending}"] = trained_arm.model_copy(update=like)
        changes = {"data": data, "arms": arms, "error_rates": (), "with_errors": ()}
        return self.model_copy(update=changes)


def _learning_from(arm: Arm, data: str) -> Arm:
    if "feedback" in arm.set or arm.measured:
        return arm
    return arm.model_copy(update={"set": {**arm.set, "feedback": f"{{{data}}}"}})
