"""Metrics: ratios of sums over answers, or formulas of such sums.

So a table of sums per image is all that an estimate, a difference or a bootstrap needs (`stats/`).
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from groundtune.records import Record

Floats = NDArray[np.float64]
Formula = Callable[[Mapping[str, Floats]], Floats]
"""From sums by name of column, each (R,) over R resamples, to values (R,); NaN is no estimate.

A column that no score has is 0. The arithmetic is the official code's, in its order, where a value
must be equal to the last digit. Divide with `ratio`.
"""


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
