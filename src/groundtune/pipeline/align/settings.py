"""Settings of rounds of AI feedback. Nothing here needs torch."""

from pathlib import Path
from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from groundtune.feedback.claim_pairs import ClaimPairRules
from groundtune.methods.dpo import DPO
from groundtune.pipeline.feedback.claim_settings import ClaimSettings
from groundtune.pipeline.models.measure import BASE, Evaluation
from groundtune.pipeline.models.names import is_endpoint
from groundtune.pipeline.sample.run import SampleSettings
from groundtune.pipeline.train.settings import Learning, Method
from groundtune.recipe_loading import Settings
from groundtune.records import Record, SpanKind
from groundtune.train.optim import Optim
from groundtune.train.precision import Dtype


class RoundLearning(Learning):
    """How a round's model is trained on its pairs; RLAIF-V's values, except the rate of a LoRA."""

    method: Method = DPO(beta=0.1)
    """Any method. DDPO weights the rejected claims, which are the pairs' changed spans."""
    optim: Optim = Optim(lr=1e-5)
    epochs: int = Field(default=4, ge=1)
    batch_size: int = Field(default=8, ge=1)
    micro_batch: int = Field(default=16, ge=1)
    dtype: Dtype = "float32"
    checkpoints: int = Field(default=4, ge=1)
    """Number of evenly spaced checkpoints, including the last, from which the round's model is
    chosen. RLAIF-V keeps 16."""


class Choosing(Record):
    """How a round's checkpoint is chosen: never on the reported prompts.

    Each checkpoint, and the model that the round began with, answers the same prompts greedily. Of
    that model and those that keep enough of what was right, the one with the least wrong is
    chosen; of equal ones the earliest.
    """

    by: Literal["claims", "truth"] = "claims"
    """"claims": wrong is the share of answers with a rejected claim, kept the different supported
    claims per answer, by the round's labeler. "truth" is for comparison alone, where the prompts'
    source knows it: such rounds don't run on the labeler's feedback alone, and their pages say so.
    Wrong is then the mean of the shares of answers with an invented object and with anything wrong,
    kept is recall."""
    prompts: int = Field(default=100, ge=1)
    """Held back from learning, all prompts of an image together; few images: see `held_back`."""
    kinds: tuple[SpanKind, ...] = ()
    """Kinds of claims that count as kept (object, number, attribute, position, ...); () counts all.
    By all, a model may say where things are instead of what there is."""
    max_content_loss: float = Field(default=0.05, ge=0, le=1)
    """Largest loss of what is kept over all rounds, as a share of what the first began with. What a
    round loses, the next ones can't lose again."""


class AlignSettings(SampleSettings):
    """Rounds of AI feedback; the shipped recipe is world-align.

    `model` is what the first round begins with. A prompt source is asked for other prompts in each
    round: world:400 for 400 new images. Each round has a seed of its own, made of `seed`.
    """

    MAY_CHANGE = SampleSettings.MAY_CHANGE | {"allow_evaluation_images", "rounds", "settings_tried"}
    command: Literal["align"] = "align"
    prompts_per_round: int = Field(default=0, ge=0)
    """Number of other prompts for each round, from the start again when all were asked; 0
    asks all of them in every round. RLAIF-V has about 4,000 an iteration."""
    rounds: int = Field(default=4, ge=1)
    """RLAIF-V's number of iterations."""
    n: int = Field(default=10, ge=2)
    """Candidates per prompt, which differ only in their seeds (RLAIF-V's deconfounded
    candidates)."""
    others: tuple[str, ...] = ()
    """Other models, by folder or name, that generate an equal share of the candidates in each
    round: RLAIF-V's ablation without deconfounding, where two answers also differ by their
    model."""
    feedback: ClaimSettings = ClaimSettings()
    """The divider and the labeler. "self" is the round's first model."""
    pairs: ClaimPairRules = ClaimPairRules()
    learn: RoundLearning = RoundLearning()
    choose: Choosing = Choosing()
    reported: int = Field(default=100, ge=1)
    """Prompts held back for the report, neither learnt from nor chosen by, where models are
    measured by their claims."""
    held_back: float = Field(default=0.25, gt=0, lt=0.5)
    """Of the prompts of a file or of images, the largest share that choosing holds back, and the
    largest that the report holds back, so that at least half are learnt from: of 60 images 15 and
    15, though `choose.prompts` and `reported` are 100."""
    evaluation: Evaluation = Evaluation()
    """Evaluation of models for the report, if the prompts' source has benchmarks."""
    settings_tried: int | None = Field(default=None, ge=1)
    """How many settings of this recipe were measured before these were chosen; null: not recorded.

    Pages print it: the more were tried, the more the choice flatters. Where you override a tuned
    recipe for a comparison, say how many settings of that you tried: settings_tried=1."""
    allow_evaluation_images: bool = False
    """Learn although images that are held back look like ones to learn from; they are counted."""

    @model_validator(mode="after")
    def _can_be_done(self) -> Self:
        if self.n <= len(self.others):
            raise ValueError(
                f"{self.n} candidates can't be shared out among {len(self.others) + 1} models: "
                "raise n, or name fewer others"
            )
        checkers = (self.feedback.labeler, self.feedback.divider, self.feedback.reader)
        if self.revision != "main" and self.model in checkers:
            raise ValueError(
                f"feedback names {self.model}, which would not be the revision {self.revision}: "
                "use self for the round's first model, or a folder"
            )
        if is_endpoint(self.model):
            raise ValueError("rounds train the model, and a model at an endpoint can't be trained")
        return self

    @property
    def first(self) -> str:
        """The model that the first round begins with, or the folder that gets it merged."""
        return BASE if self.adapter or self.revision != "main" else self.model


class Round(Settings):
    """The settings of a round's steps: those of the run, and what differs from round to round."""

    run: AlignSettings
    number: int
    model: str
    """The round's first model: a name, or a folder under the run's."""

    @property
    def out(self) -> str:
        """The round's folder under the run's."""
        return round_name(self.number)

    @property
    def name(self) -> str:
        """Name of the round's first model in its answers."""
        return BASE if self.number == 1 else round_name(self.number - 1)

    @property
    def seed(self) -> int:
        """Seed of sampling and training."""
        return self.run.seed * 100 + self.number


class AlignResult(NamedTuple):
    """The result of the rounds: table and paths."""

    report: Path
    results: Path
    model: Path
    """The last round's model."""
    verdict: str
    table: list[list[str]]
    """A row per round as text; the first row is the header."""
    unchanged: bool = False
    """Whether no round was better, so that `model` is what the run began with."""


def round_name(number: int) -> str:
    """Return the name of a round's folder, which is also its model's name in scores."""
    return f"round-{number}"
