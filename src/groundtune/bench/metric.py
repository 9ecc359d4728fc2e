"""Metrics: ratios of sums over answers, or formulas of such sums.

Estimates, differences and bootstraps therefore only need a table of sums per image (`stats/`).
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from groundtune.records import Record

Floats = NDArray[np.float64]
Formula = Callable[[Mapping[str, Floats]], Floats]
"""Maps sums by column name, each (R,) over R resamples, to values (R,); NaN means no estimate.

A column that no score has is 0. Follow the official code's order of operations where a value must
be equal to the last digit. Divide with `ratio`.
"""


class Metric(Record):
    """A ratio of sums over answers, or a formula of sums, and how to display it.

    Numerator and denominator map names of `Score.values` to weights. Three more names exist for
    every answer: "asked" (1), "scored" (1 unless it is unparsed) and "unparsed". A denominator of 0
    gives no estimate. Use `formula` for a value that is no ratio of sums: the mean of several
    splits' F1, a sum of points over tasks, a rounding of the official code.
    """

    name: str
    label: str
    """Plain words that could begin a sentence."""
    numerator: dict[str, float] = Field(default_factory=dict[str, float])
    denominator: dict[str, float] = Field(default_factory=dict[str, float])
    """Both are empty if there is a formula, or if the estimate is computed elsewhere."""
    formula: Formula | None = Field(default=None, exclude=True, repr=False)
    better: Literal["lower", "higher", "neutral"] = "neutral"
    role: Literal["quality", "cost"] = "quality"
    """A cost may explain a better quality: shorter answers, lower recall, more refusals."""
    unit: str = "%"
    """"%" for a share in [0, 1]; "points", "score"; or a noun in the plural ("words")."""
    scale: float = 100.0
    """Factor of a displayed value; 1 for all but shares."""
    decimals: int = Field(default=1, ge=0, le=6)
    range: tuple[float | None, float | None] | None = None
    """The lowest and highest value; None means no bound. The default for shares is 0 to 1."""
    explanation: str = ""

    @property
    def is_share(self) -> bool:
        """Whether values are in [0, 1]."""
        return self.unit == "%"

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The range, with the default for shares filled in."""
        return self.range or ((0.0, 1.0) if self.is_share else (None, None))


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divide element by element; NaN where the denominator is 0."""
    return np.divide(
        numerator,
        denominator,
        out=np.full(np.broadcast(numerator, denominator).shape, np.nan),
        where=np.asarray(denominator) != 0,
    )


def unparsed_metric() -> Metric:
    """Return the metric for the share of unreadable answers; every benchmark has it."""
    return Metric(
        name="unparsed",
        label="Answers that could not be read",
        numerator={"unparsed": 1},
        denominator={"asked": 1},
        better="lower",
        role="cost",
        explanation="No other figure includes them, unless the official code counts them.",
    )


def words_metric(over: str = "all") -> Metric:
    """Return the metric for the mean length of answers, over those that column `over` counts."""
    return Metric(
        name="words",
        label="Words per answer",
        numerator={"words": 1},
        denominator={over: 1},
        role="cost",
        unit="words",
        scale=1,
    )
