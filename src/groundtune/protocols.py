"""What can be exchanged: the seams between us and models, people, services. No torch here."""

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
    """One generated text, its tokens (the end token included), whether it ended by itself."""

    text: str
    tokens: int
    finished: bool
    thoughts: str = ""
    """What the model thought before: no part of the text, but of the tokens."""


LEAST_MASS = 0.5
"""The least that a labeler's p(yes) + p(no) must be where a question asks for yes or no. Labelers
reach 0.9 and more; a model that begins with other words has next to nothing there."""
ROUNDING = 1e-3
"""How far above 1 a sum of probabilities may be."""


class YesNoReply(NamedTuple):
    """Raw probabilities that the next token says yes and no; they need not add up to 1.

    Both are NaN where a model or a server gave none, or no probabilities.
    """

    p_yes: float
    p_no: float

    def is_answer(self, least_mass: float = LEAST_MASS) -> bool:
        """Whether it says yes or no at all: both are probabilities, together at least `least_mass`.

        Anything else is no evidence of what a question asks.
        """
        return self.are_probabilities() and self.p_yes + self.p_no >= least_mass

    def are_probabilities(self) -> bool:
        """Whether both are numbers from 0 on, together at most 1."""
        return self.p_yes >= 0 and self.p_no >= 0 and self.p_yes + self.p_no <= 1 + ROUNDING


NO_ANSWER = YesNoReply(math.nan, math.nan)
"""What stands for probabilities that are missing or can't be any."""


class Images(Protocol):
    """Where a prompt's images are."""

    def open(self, sha256: str) -> "Image":
        """The image as RGB, upright, whole. Raises UserError if it is missing or unreadable."""
        ...


class Generator(Protocol):
    """A model that answers prompts."""

    def producer(self, sampling: Sampling, seed: int) -> Producer:
        """Who the answers are by: goes into their keys."""
        ...

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, seeds: Sequence[int]
    ) -> list[Reply]:
        """One reply a prompt, in order; `seeds[i]` alone decides draw i, whatever its batch."""
        ...


class YesNo(Protocol):
    """A labeler that answers yes/no questions with probabilities."""

    def yes_no(self, prompts: Sequence[Prompt]) -> list[YesNoReply]:
        """One reply a prompt, in order."""
        ...


class Statement(NamedTuple):
    """One atomic statement of an answer's text, and the yes/no question that is made of it."""

    start: int
    end: int
    """[start, end) are the characters of the answer that it came from."""
    text: str
    kind: SpanKind = "other"
    question: str = ""
    """Empty until it is made; yes is the answer where the statement is true."""
    status: ClaimStatus = "unchecked"
    rests_on: int | None = None
    """Index of the statement, among the same answer's, without which this one makes no sense."""


class Divider(Protocol):
    """Divides answers into atomic statements, by rules or by asking a model."""

    def producer(self) -> Producer:
        """Who divides: goes into the claims' keys, so it names all that changes the division."""
        ...

    def divide(self, prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[list[Statement]]:
        """The statements of each answer, in order; prompts[i] is what answers[i] answered."""
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
    """A person, real or simulated, who corrects the wrong segments of an answer."""

    def correct(self, prompt: Prompt, answer: Answer) -> Correction:
        """The correction; with no spans where nothing was found wrong."""
        ...


class Truth(NamedTuple):
    """What is right and what is wrong in an answer, by whoever knows the whole image."""

    wrong: bool
    """Whether anything in it is wrong."""
    mentions: int
    """Mentions of objects."""
    invented: int
    """Those of them whose object is not in the image."""
    named: int
    """Different objects of the image that it names."""
    there: int
    """Different objects of the image."""


class TruthScorer(Protocol):
    """Scores answers to prompts about whose images everything is known."""

    def __call__(self, prompt: Prompt, text: str) -> Truth:
        """What is right and wrong in one answer."""
        ...


class Comparer(Protocol):
    """A person, real or simulated, who compares two answers, honesty first."""

    def compare(self, prompt: Prompt, first: Answer, second: Answer) -> Comparison:
        """Which is better, and which hallucinates more."""
        ...


class Judge(Protocol):
    """A model that grades a benchmark."""

    def grade(self, request: str) -> str:
        """The judge's raw reply to one request."""
        ...


class Rewarder(Protocol):
    """Scores answers, higher is better: a reward model, a rule, or a model's own reward."""

    def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        """One reward an answer, in order. A value that is not finite says that there is none."""
        ...


class SpanReward(NamedTuple):
    """The reward of one place of an answer, higher is better."""

    start: int
    end: int
    """[start, end) are characters of the answer."""
    value: float
    """Not finite where there is none."""


class SpanRewarder(Protocol):
    """Scores places of answers: a token-level reward model, or claims that were checked."""

    def reward_spans(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> list[list[SpanReward]]:
        """The rewards of each answer's places, in order of their starts; places may be absent."""
        ...


class Evaluate(Protocol):
    """Scores the model in training; handed to the trainer by a higher layer."""

    def __call__(self, step: int) -> Sequence[Score]:
        """Scores on the development split."""
        ...


class Logger(Protocol):
    """Where training metrics go."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Metrics of an optimiser step; steps only grow."""
        ...


class Workers(Protocol):
    """Who works off a stage's batches: this process, or others, on any machine."""

    def run(self, work: Callable[[T], R], batches: Sequence[T]) -> Iterator[tuple[int, R]]:
        """What `work` makes of each batch, with the batch's index, as it comes, in any order.

        `work`, the batches and what is made of them must pickle. `work` is called with a batch once
        or, where a worker dies, again. What it raises as a UserError is raised here.
        """
        ...


class Progress(Protocol):
    """Shows that long work goes on; library code never prints."""

    def start(self, task: str, total: int | None = None) -> None:
        """A new task begins; it replaces the one shown."""
        ...

    def advance(self, done: int = 1, note: str = "") -> None:
        """So many more units of the task are done."""
        ...


class SilentProgress:
    """Progress that shows nothing."""

    def start(self, task: str, total: int | None = None) -> None:
        """A new task begins."""

    def advance(self, done: int = 1, note: str = "") -> None:
        """So many more units of the task are done."""
