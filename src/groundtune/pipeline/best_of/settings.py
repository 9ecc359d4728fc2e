"""Settings and result of best-of."""

from pydantic import Field

from groundtune.pipeline.best_of.curve import BestOfCurve
from groundtune.pipeline.model_settings import ModelSettings
from groundtune.records import Record, Sampling

MOST = 64
"""Candidates a prompt at the most."""


class BestOfSettings(ModelSettings):
    """Whose reward chooses, and among how many."""

    reference: str
    """What `model`, the tuned one, was tuned from."""
    n: int = Field(default=16, ge=1, le=MOST)
    """Candidates a prompt: the first so many answers of each. RLAIF-V's are 16 to 32."""
    beta: float = Field(default=0.1, gt=0)
    """The beta of the training. It scales the rewards and changes no choice."""
    normalise: float = Field(default=1.0, ge=0, le=1)
    """The power of the answer's tokens by which the reward is divided: 1 (or true) is published, 0
    (or false) doesn't divide. Which answers win by it, short ones or long ones, depends on what was
    learnt, and a power between keeps the length (docs/align.md has the figures)."""
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
