"""The shape of a benchmark: items, a pure scoring function, metrics, a protocol to print.

A metric is a ratio of two weighted sums of the scores' values, or a formula of such sums. So a
table of sums an image is all that an estimate, a difference or a bootstrap needs (`stats.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from groundtune.records import Prompt, Record, Sampling, Score
from groundtune.store.keys import key_of

if TYPE_CHECKING:
    from groundtune.store.images import ImageStore

Mode = Literal["official", "strict"]
MODES: tuple[Mode, ...] = ("official", "strict")

Floats = NDArray[np.float64]
Formula = Callable[[Mapping[str, Floats]], Floats]
"""From sums by name of column, each (R,) over R resamples, to values (R,); NaN is no estimate.

A column that no score has is 0. The arithmetic is the official code's, in its order, where a value
must be equal to the last digit. Divide with `ratio`.
"""

DECODINGS: dict[str, float] = {"greedy": 0.0, "t1": 1.0}
"""Temperature of each decoding; both are always reported, greedy is the headline's."""


class Metric(Record):
    """A ratio of sums over answers, or a formula of sums, and how a person reads it.

    Numerator and denominator map names of `Score.values` to weights. Three more names are counted
    for every answer: "asked" (1), "scored" (1 unless it is unparsed) and "unparsed". Where the
    denominator is 0 there is no estimate. `formula` stands for what is no ratio of sums: a mean of
    several splits' F1, a sum of tasks' points, a rounding of the official code.
    """

    name: str
    label: str
    """In plain words, as it would begin a sentence."""
    numerator: dict[str, float] = Field(default_factory=dict[str, float])
    denominator: dict[str, float] = Field(default_factory=dict[str, float])
    """Both empty where there is a formula, or an estimate is made elsewhere."""
    formula: Formula | None = Field(default=None, exclude=True, repr=False)
    better: Literal["lower", "higher", "neutral"] = "neutral"
    role: Literal["quality", "cost"] = "quality"
    """A cost is what a lower rate may have been bought with: length, recall, refusals."""
    unit: str = "%"
    """"%" for a share in [0, 1]; "points", "score"; or a noun in the plural ("words")."""
    scale: float = 100.0
    """What a value is multiplied with before it is shown; 1 for all but shares."""
    decimals: int = Field(default=1, ge=0, le=6)
    range: tuple[float | None, float | None] | None = None
    """The lowest and highest value that there can be; None where there is no bound. Shares need
    none: theirs is 0 to 1."""
    explanation: str = ""

    @property
    def is_share(self) -> bool:
        """Whether it lies in [0, 1]."""
        return self.unit == "%"

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Its range."""
        return self.range or ((0.0, 1.0) if self.is_share else (None, None))


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Element by element; NaN where the denominator is 0."""
    return np.divide(
        numerator,
        denominator,
        out=np.full(np.broadcast(numerator, denominator).shape, np.nan),
        where=np.asarray(denominator) != 0,
    )


def unparsed_metric() -> Metric:
    """The share of answers that could not be read; every benchmark has it."""
    return Metric(
        name="unparsed",
        label="Answers that could not be read",
        numerator={"unparsed": 1},
        denominator={"asked": 1},
        better="lower",
        role="cost",
        explanation="They are in no other figure, unless the official code counts them.",
    )


def words_metric(over: str = "all") -> Metric:
    """The mean length of an answer, over the answers that a column counts."""
    return Metric(
        name="words",
        label="Words an answer",
        numerator={"words": 1},
        denominator={over: 1},
        role="cost",
        unit="words",
        scale=1,
    )


class Protocol(Record):
    """How a benchmark asks and reads."""

    label: str
    """What it is called."""
    prompt: str
    parser: str
    counted: str
    """What exactly the metrics count, and where that departs from the source."""
    source: str
    """Authors, year, arXiv id."""
    max_new_tokens: int
    judge: str = "none"
    items: str = ""

    def sampling(self, decoding: str) -> Sampling:
        """Greedy, or the whole distribution at temperature 1."""
        return Sampling(max_new_tokens=self.max_new_tokens, temperature=DECODINGS[decoding])


class Wanted(Record):
    """Which items."""

    split: str = "development"
    n: int = Field(default=500, ge=1)
    """Images."""
    seed: int = 0
    """Of the wordings and of whatever else is drawn."""


class Item(Record):
    """One question to a model; a prompt that items of several parts share is asked once."""

    key: str
    """Unique within its benchmark."""
    benchmark: str
    """The benchmark's name, with "/" and the part if it has several."""
    image: str
    """What the bootstrap resamples."""
    prompt: Prompt
    kind: str = ""
    target: str = ""
    strata: dict[str, str] = Field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An answer as it is handed to `score`."""

    text: str
    model: str
    decoding: str = "greedy"
    cut: bool = False
    """Whether it ended at the most new tokens."""

    def key(self, item: Item, rules: str) -> str:
        """Key of the score that these rules give it."""
        parts = (item.benchmark, item.key, self.model, self.decoding, self.text, self.cut)
        return key_of("score", rules, *parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A benchmark file's parts under one name."""

    name: str
    protocol: Protocol
    metrics: tuple[Metric, ...]
    headline: str
    """The metric that is named first."""
    load: "Callable[[Wanted, ImageStore], list[Item]]"
    """The items; their pictures are added to the store."""
    score: Callable[[Item, Given], Score]
    """Pure."""
    labels: tuple[tuple[str, str], ...] = ()
    """(part, label) of each part that the benchmark is reported in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAnswer:
    """One answer as it was found in a file."""

    text: str
    item: str = ""
    """The id of the item that it answers; "" where the layout goes by order."""
    row: int = 0
    """Line or row of its file, from 1, for errors."""
    extra: Mapping[str, str] = field(default_factory=dict[str, str])
    """Further columns of its file: question, label, image, category."""
