"""Interfaces to models, people and services. Imports no torch."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from groundtune.records import (
    Answer,
    ClaimStatus,
    Comparison,
    Correction,
    Producer,
    Prompt,
    Sampling,
    Score,
    SpanKind,
)

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")
R = TypeVar("R")


class Reply(NamedTuple):
    """One generated text, its number of tokens (with the end token), and whether it is complete."""

    text: str
    tokens: int
    finished: bool
    thoughts: str = ""
    """The model's reasoning before the text; not part of `text`, but included in `tokens`."""


LEAST_MASS = 0.5
"""Least p(yes) + p(no) of a reply to a yes/no question. Labelers reach 0.9 and more; a model that
begins with other words gives almost none."""
ROUNDING = 1e-3
"""How far above 1 a sum of probabilities may be."""


class YesNoReply(NamedTuple):
    """Raw probabilities that the next token is yes and is no; they need not add up to 1.

    Both are NaN if a model or a server returned none.
    """

    p_yes: float
    p_no: float

    def is_answer(self, least_mass: float = LEAST_MASS) -> bool:
        """Return whether this answers the question: probabilities that add up to >= `least_mass`.

        Anything else is no evidence for either answer.
        """
        return self.are_probabilities() and self.p_yes + self.p_no >= least_mass

    def are_probabilities(self) -> bool:
        """Return whether both are at least 0, and together at most 1."""
        return self.p_yes >= 0 and self.p_no >= 0 and self.p_yes + self.p_no <= 1 + ROUNDING


NO_ANSWER = YesNoReply(math.nan, math.nan)
"""The value for probabilities that are missing or invalid."""


class Images(Protocol):
    """A store of prompts' images."""

    def open(self, sha256: str) -> "Image":
        """Return the full image as upright RGB; raise UserError if it can't be read."""
        ...


class Generator(Protocol):
    """A model that answers prompts."""

    def producer(self, sampling: Sampling, seed: int) -> Producer:
        """Return the producer of the answers, which is part of their keys."""
        ...

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, seeds: Sequence[int]
    ) -> list[Reply]:
        """Return one reply per prompt, in order; reply i depends on `seeds[i]` alone."""
        ...


class YesNo(Protocol):
    """A labeler that answers yes/no questions with probabilities."""

    def yes_no(self, prompts: Sequence[Prompt]) -> list[YesNoReply]:
        """Return one reply per prompt, in order."""
        ...


class Statement(NamedTuple):
    """One atomic statement of an answer, and the yes/no question that checks it."""

    start: int
    end: int
    """Characters [start, end) of the answer that the statement comes from."""
    text: str
    kind: SpanKind = "other"
    question: str = ""
    """Empty until there is one; the answer is yes if the statement is true."""
    status: ClaimStatus = "unchecked"
    rests_on: int | None = None
    """Index of the statement of the same answer without which this one makes no sense."""


class Divider(Protocol):
    """Divides answers into atomic statements, by rules or with a model."""

    def producer(self) -> Producer:
        """Return who divides, with all that changes the division; part of the claims' keys."""
        ...

    def divide(self, prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[list[Statement]]:
        """Return the statements of each answer, in order; `answers[i]` answers `prompts[i]`."""
        ...


class Draft(NamedTuple):
    """A text about a prompt's images, and what is known of it, for an `Editor`."""

    prompt: Prompt
    text: str
    wrong: tuple[Statement, ...] = ()
    """Statements of the text that are wrong."""
    facts: tuple[Statement, ...] = ()
    """Statements that are so: what replaces the wrong ones, or is to be added."""


class Editor(Protocol):
    """Corrects, extends and rewords texts: a model that follows instructions, or rules.

    Each method returns one result per draft, in order. A text is "" where there is none: the
    model's reply can't be read, or nothing would be left.
    """

    def producer(self) -> Producer:
        """Who edits: goes into the texts' keys, so it names all that changes them."""
        ...

    def alternatives(self, drafts: Sequence[Draft]) -> list[list[Statement]]:
        """What might be so instead of each draft's wrong statements, to be verified."""
        ...

    def correct(self, drafts: Sequence[Draft]) -> list[str]:
        """The texts without their wrong statements."""
        ...

    def additions(self, drafts: Sequence[Draft]) -> list[list[Statement]]:
        """What might be so and is not said, to be verified."""
        ...

    def extend(self, drafts: Sequence[Draft]) -> list[str]:
        """The texts with their drafts' facts said, too."""
        ...

    def reword(self, drafts: Sequence[Draft], index: int) -> list[str]:
        """The texts in other words, saying the same; each index gives another wording."""
        ...


class NamedYesNo(YesNo, Protocol):
    """A `YesNo` that is no model: annotations, an object detector, the truth."""

    def producer(self) -> Producer:
        """Who answers, with all that changes the answers."""
        ...


class Annotator(Protocol):
    """A real or simulated person who corrects the wrong segments of an answer."""

    def correct(self, prompt: Prompt, answer: Answer) -> Correction:
        """Return the correction, without spans if nothing is wrong."""
        ...


class Truth(NamedTuple):
    """What is right and wrong in an answer, by the complete truth about its image."""

    wrong: bool
    """Whether the answer has any error."""
    mentions: int
    """Mentions of objects."""
    invented: int
    """Mentions of objects that are not in the image."""
    named: int
    """Different objects of the image that the answer names."""
    there: int
    """Different objects in the image."""


class TruthScorer(Protocol):
    """Scores answers about images whose complete truth is known."""

    def __call__(self, prompt: Prompt, text: str) -> Truth:
        """Return what is right and wrong in one answer."""
        ...


class Comparer(Protocol):
    """A real or simulated person who compares two answers, honesty first."""

    def compare(self, prompt: Prompt, first: Answer, second: Answer) -> Comparison:
        """Return which answer is better, and which hallucinates more."""
        ...


class Judge(Protocol):
    """A model that grades a benchmark."""

    def grade(self, request: str) -> str:
        """Return the judge's raw reply to one request."""
        ...


class Rewarder(Protocol):
    """Scores answers, higher is better: a reward model, a rule, or a model's own reward."""

    def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        """Return one reward per answer, in order; a non-finite value means no reward."""
        ...


class SpanReward(NamedTuple):
    """The reward of one span of an answer; higher is better."""

    start: int
    end: int
    """Characters [start, end) of the answer."""
    value: float
    """Not finite if there is none."""


class SpanRewarder(Protocol):
    """Scores spans of answers: a token-level reward model, or checked claims."""

    def reward_spans(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> list[list[SpanReward]]:
        """Return the rewards of each answer's spans, by their starts; spans may be absent."""
        ...


class Evaluate(Protocol):
    """Scores the model during training; a higher layer passes it to the trainer."""

    def __call__(self, step: int) -> Sequence[Score]:
        """Return scores on the development split."""
        ...


class Logger(Protocol):
    """A destination of training metrics."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log metrics of an optimiser step; steps increase."""
        ...


class Workers(Protocol):
    """Processes that work on a stage's batches: this one, or others on any machine."""

    def run(self, work: Callable[[T], R], batches: Sequence[T]) -> Iterator[tuple[int, R]]:
        """Yield each batch's index and `work(batch)`, in order of completion.

        `work`, the batches and the results must pickle. `work` runs once per batch, and again if a
        worker dies. A UserError that it raises is raised here.
        """
        ...


class Progress(Protocol):
    """Shows the progress of long work; library code never prints."""

    def start(self, task: str, total: int | None = None) -> None:
        """Begin a new task, which replaces the current one."""
        ...

    def advance(self, count: int = 1, note: str = "") -> None:
        """Add finished units of the task."""
        ...


class SilentProgress:
    """Progress that shows nothing."""

    def start(self, task: str, total: int | None = None) -> None:
        """Begin a new task."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """Add finished units of the task."""
