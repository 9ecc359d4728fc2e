"""Settings and result of best-of."""

from typing import Self

from pydantic import Field, model_validator

from groundtune.pipeline.best_of.curve import BestOfCurve
from groundtune.pipeline.models.settings import ModelSettings
from groundtune.pipeline.reward.settings import Show
from groundtune.records import Record, Sampling

CLAIMS = "claims"
"""The rewarder that chooses by claims which were checked before."""
MOST = 64
"""Candidates a prompt at the most."""


class BestOfSettings(ModelSettings):
    """Whose reward chooses, and among how many."""

    model: str = ""
    """The tuned model, whose own reward chooses; with `rewarder`, only who draws answers."""
    reference: str = ""
    """What `model`, the tuned one, was tuned from."""
    rewarder: str = ""
    """What chooses instead of a tuned model's own reward: a reward model's folder, an installed
    package's reward, a URL (docs/reward-custom.md), or "claims": fewer rejected claims win, then
    more supported ones, of answers whose claims were checked."""
    facts: Show | None = None
    """Facts that a `rewarder` reads."""
    n: int = Field(default=16, ge=1, le=MOST)
    """Candidates per prompt: the first answers of each. RLAIF-V's are 16 to 32."""
    beta: float = Field(default=0.1, gt=0)
    """The beta of the training. It scales the rewards and changes no choice."""
    normalise: float = Field(default=1.0, ge=0, le=1)
    """The power of the answer's tokens by which the reward is divided: 1 (or true) is published, 0
    (or false) doesn't divide. Which answers win by it, short ones or long ones, depends on what was
    learnt, and a power between keeps the length (figures: docs/measured/earlier-rounds.md)."""
    prompts: str = ""
    """Where there is no folder of answers: a prompt source and a count, such as world:40. The tuned
    model draws `n` answers to each of its prompts to report on."""
    first_prompt: int = Field(default=0, ge=0)
    """How many of these prompts are left out: those by which a setting was chosen."""
    sampling: Sampling = Sampling(max_new_tokens=128, temperature=1.0)
    """How it draws those."""
    seed: int = 0
    batch_size: int = Field(default=64, ge=1)
    """Answers that are drawn at once."""
    at_once: int = Field(default=16, ge=1)
    """Answers to a prompt that are scored at once. Changes speed and memory only."""

    @property
    def powers(self) -> tuple[float, ...]:
        """Powers of the length by which rewards are divided, the one that chooses first."""
        return (0.0,) if self.rewarder else tuple(dict.fromkeys((self.normalise, 1.0, 0.0)))

    @property
    def chooser(self) -> str:
        """Who chooses."""
        return self.rewarder or f"{self.model}'s own reward over {self.reference}"

    @model_validator(mode="after")
    def _someone_chooses(self) -> Self:
        if self.rewarder and self.reference:
            raise ValueError("rewarder and reference are two ways to choose: use one of them")
        if not self.rewarder and not (self.model and self.reference):
            raise ValueError("model and reference are needed, or a rewarder")
        return self


class BestOf(Record):
    """The result of best-of."""

    prompts: int
    candidates: int
    n: int
    scored_now: int
    """Texts scored by this call; what was scored before, and a text that is there twice, isn't."""
    unrewarded: tuple[str, ...] = ()
    """Keys of the candidates that have no reward, because it is not a finite number: none is
    chosen."""
    labeler: str = ""
    """Who checked the answers' claims; "" where nobody did, or it is not known."""
    by_claims: bool
    """Whether the answers' claims were checked, so that rejected ones can be counted."""
    unchecked: int = 0
    """Candidates with a claim that has no verdict, if claims were checked: no rate of rejected
    claims includes them."""
    by_truth: bool
    """Whether the prompts' source knows what is right and wrong in the answers."""
    curves: tuple[BestOfCurve, ...]
    """By the reward that chose, and by the divided and the undivided one."""
