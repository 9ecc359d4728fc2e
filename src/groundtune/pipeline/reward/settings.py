"""Settings of reward models. Nothing here needs torch."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from groundtune.methods.bradley_terry import BradleyTerry
from groundtune.methods.wrong_words import WrongWords
from groundtune.pipeline.train.settings import OneRun, Tune
from groundtune.recipe_loading import Settings
from groundtune.records import Record
from groundtune.train.optim import Optim
from groundtune.train.reward_kinds import HeadKind, Readout
from groundtune.train.tune import Lora

Learn = Literal["answers", "words"]
Show = Literal["none", "shown", "other-scene", "truth"]
"""`shown`: the prompts' facts. `other-scene`: a placebo, the facts of another image. `truth`: all
facts of a source that knows the whole truth, as an upper bound."""


class FactSettings(Settings):
    """Which facts the reward model reads. Policy, reference and value function never see them."""

    show: Show = "none"
    """"shown": the facts of the prompts. "other-scene": those of another image, as a placebo.
    "truth": all facts of a source that knows them, as an upper bound."""
    left_out: float = Field(default=0.0, ge=0, lt=1)
    """Share of a prompt's facts that are left out with `shown` and `other-scene`, by seed."""
    place: Literal["before", "after"] = "before"
    """In the question, or in the request for a score after the answer, as in LLaVA-RLHF."""
    order: Literal["prompt", "answer"] = "prompt"
    """The order of facts is shuffled by seed: per prompt, or for each answer anew. LLaVA-RLHF's
    code does the latter, so two answers are read with different texts."""
    lead: str = "Facts:"
    """The line before the facts."""
    item: str = "- "
    """What begins each fact's line."""

    @model_validator(mode="after")
    def _order_has_a_place(self) -> Self:
        if self.order == "answer" and self.place == "before":
            raise ValueError(
                "order=answer needs place=after: the question is shared by all answers"
            )
        return self


class JudgingSettings(Settings):
    """How prompt, facts and answer become the text that the reward model reads."""

    facts: FactSettings = FactSettings()
    request: str = ""
    """A request for a score that follows the answer; {facts} is where facts with place=after go."""
    read_twice: bool = False
    """The answer is read twice, and the second reading's values count: there each token has the
    whole answer before it (arXiv 2402.15449), so that "two" is known to be of cups. Costs as many
    tokens again."""
    hide_image: bool = False
    """Read a grey image instead, to see what the text alone gives away."""

    @model_validator(mode="after")
    def _facts_have_a_place(self) -> Self:
        after = self.facts.show != "none" and self.facts.place == "after"
        if after and "{facts}" not in self.request:
            raise ValueError("facts.place=after needs a request that contains {facts}")
        return self


class Validation(Record):
    """What is held out."""

    share: float = Field(default=0.1, gt=0, lt=1)
    """Share of the images whose examples are held out."""
    recorded: int = Field(default=8, ge=1)
    """Answers whose scores are stored with the model, to be reproduced when it is loaded."""


class FeedbackSettings(Settings):
    """Which examples a reward model learns from, or is measured on."""

    feedback: Path
    """Folder with comparisons, pairs or corrections."""
    use: Literal["auto", "comparisons", "pairs"] = "auto"
    """Where examples come from. Of `answers`, "auto" prefers comparisons. Of `words`, "auto" takes
    corrections, or pairs of corrected answers; "pairs" takes what the chosen answers of any pairs
    change in the rejected ones as wrong."""
    ties: Literal["drop", "half"] = "drop"
    """Comparisons without a better answer: leave them out, or learn that both are as good."""
    skip_bad: bool = False
    """Drop, count and list examples that can't be used, instead of stopping at the first."""


class RewardSettings(FeedbackSettings, OneRun):
    """A reward model: what it learns from, what it reads, its head and its training."""

    MAY_CHANGE = OneRun.MAY_CHANGE | {"pack"}

    command: Literal["reward train"] = "reward train"
    learn: Learn = "answers"
    """`answers`: one reward per answer, from comparisons or pairs. `words`: one value per token,
    from the spans of corrections."""
    head: HeadKind = "mlp2"
    """"linear": one layer, as in LLaVA-RLHF. "mlp2": two layers with SiLU between them, which
    BaseReward found better."""
    readout: Readout = "mean"
    """The tokens whose value is the reward: the "last" one, or the "mean" or "sum" over the
    answer's."""
    loss: BradleyTerry = BradleyTerry()
    words: WrongWords = WrongWords()
    judging: JudgingSettings = JudgingSettings()
    validation: Validation = Validation()
    tune: Tune = Lora(dropout=0.0)
    """Which weights to train. For `words` also train the projector: tune.parts."""
    optim: Optim = Optim(lr=2e-5, schedule="constant", warmup=0.03)
    """LLaVA-RLHF's rate and schedule."""
    epochs: int = Field(default=1, ge=1)
    """LLaVA-RLHF's."""
    max_length: int = Field(default=2048, ge=1)
    """Maximum tokens of prompt, image and answer."""
    length_balance: float = Field(default=0.0, ge=0)
    """Leave out comparisons whose better answer is more than this many times as long as the other,
    as IXC-2.5-Reward does; 0 keeps all."""
    pack: bool = True
    """All answers to a prompt in one row, where the family allows it."""
