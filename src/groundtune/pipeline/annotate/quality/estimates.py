"""Figures of summed rows with 95% intervals.

A row is an item: what people said of one answer isn't independent. A figure is a formula of the
rows' sums; its standard error is the delete-one jackknife's over the rows that bear on it (Efron
and Tibshirani 1993, chapter 11), its interval Student's. It takes one pass over the rows, so that a
page can follow the work, where a bootstrap takes thousands. A share of independent items has
Wilson's interval, any other share Wilson's for as many independent observations as have its
standard error (Korn and Graubard 1998, Survey Methodology 24; Dean and Pagano 2015, J. Survey
Statistics and Methodology 3): near 0 or 1 a share errs to one side, and Student's interval goes as
far to both. Where all rows say the same, the interval reaches to what could have gone unseen, as in
`bench/stats/bootstrap.py`.
"""

from collections.abc import Callable, Iterable, Mapping
from math import isnan, nan, sqrt
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np

from groundtune.bench.metric import Floats, ratio
from groundtune.bench.stats.significance import LEVEL, wilson
from groundtune.bench.stats.student import student_quantile
from groundtune.feedback.agreement.alpha import alpha
from groundtune.records import Record

Unit = Literal["share", "alpha", "number", "seconds", "money"]
Columns = Mapping[str, Floats]
_BOUNDS: dict[Unit, tuple[float, float]] = {"share": (0.0, 1.0), "alpha": (-1.0, 1.0)}
_UNBOUNDED = (-np.inf, np.inf)
_MOST_PER_ITEM = 2.0
"""Independent observations that an item may stand for. Few errors in few items seem surer than they
are: the jackknife knows only of those that were seen."""


class QualityFigure(Record):
    """A figure of a project's quality."""

    name: str
    unit: Unit
    value: float
    low: float | None = None
    """The 95% interval; None where one value has none."""
    high: float | None = None
    n: int
    """Items that it comes from."""


class Formula(NamedTuple):
    """How a figure follows from summed rows."""

    name: str
    unit: Unit
    of: str
    """The column that is above 0 in the rows that bear on the figure."""
    value: Callable[[Columns], Floats]
    """From columns (R,) of sums to values (R,)."""
    needs: Callable[[str], bool]
    """Whether it needs a column."""


class FigureValue(NamedTuple):
    """A figure's value, NaN if there is nothing to compute it from, and how sure it is."""

    value: float = nan
    low: float | None = None
    high: float | None = None
    n: int = 0
    error: float = 0.0
    """The standard error."""


def share(name: str, part: str, whole: str, unit: Unit = "share", scale: float = 1.0) -> Formula:
    """Return the formula of the ratio of two columns' sums, times `scale`."""

    def value(columns: Columns) -> Floats:
        column = columns.get(part)
        zeros = np.zeros_like(columns[whole]) if column is None else column
        return scale * ratio(zeros, columns[whole])

    return Formula(name, unit, whole, value, {part, whole}.__contains__)


def alpha_formula(name: str) -> Formula:
    """Return the formula of an alpha of `feedback/agreement/`."""
    begins = f"{name} "

    def value(columns: Columns) -> Floats:
        return alpha(name, columns)

    def needs(column: str) -> bool:
        return column.startswith(begins)

    return Formula(name, "alpha", f"{name} squares", value, needs)


def estimate(formula: Formula, rows: Columns) -> FigureValue:
    """Return a figure of rows, columns (I,), each row an item."""
    of = rows.get(formula.of)
    if of is None:
        return FigureValue()
    bearing = of > 0
    number = int(np.count_nonzero(bearing))
    if not number:
        return FigureValue()
    columns = {name: column[bearing] for name, column in rows.items() if formula.needs(name)}
    total = {name: np.array([column.sum()]) for name, column in columns.items()}
    value = float(formula.value(total)[0])
    without = formula.value({name: total[name] - column for name, column in columns.items()})
    error = _error(without[np.isfinite(without)])
    low, high = _interval(formula, columns, value, error, number)
    return FigureValue(value, low, high, number, error)


def figure(formula: Formula, value: FigureValue) -> QualityFigure:
    """Return what is shown of an estimate."""
    return QualityFigure(
        name=formula.name,
        unit=formula.unit,
        value=value.value,
        low=value.low,
        high=value.high,
        n=value.n,
    )


def figures(formulas: Iterable[Formula], rows: Columns) -> tuple[QualityFigure, ...]:
    """Return the figures that there is something to compute from."""
    values = ((formula, estimate(formula, rows)) for formula in formulas)
    return tuple(figure(*each) for each in values if each[1].n)


def is_apart(person: FigureValue, others: FigureValue, unit: Unit, *, tests: int) -> bool:
    """Whether a person's figure is unlike all others' at 5%, corrected for the number of tests.

    Bonferroni's correction. Two shares differ by at least what two equal ones would by chance.
    """
    if isnan(person.value) or isnan(others.value) or person.n < 2 or others.n < 2:
        return False
    error = sqrt(person.error**2 + others.error**2)
    if unit == "share":
        pooled = (person.n * person.value + others.n * others.value) / (person.n + others.n)
        error = max(error, sqrt(pooled * (1 - pooled) * (1 / person.n + 1 / others.n)))
    limit = NormalDist().inv_cdf(1 - LEVEL / 2 / max(1, tests))
    return error > 0 and abs(person.value - others.value) / error > limit


def _error(without: Floats) -> float:
    if len(without) < 2:
        return 0.0
    apart = without - without.mean()
    return sqrt((len(without) - 1) / len(without) * float(apart @ apart))


def _interval(
    formula: Formula, rows: Columns, value: float, error: float, number: int
) -> tuple[float | None, float | None]:
    lowest, highest = _BOUNDS.get(formula.unit, _UNBOUNDED)
    hits = value * number
    is_rate = formula.unit == "share" and bool(np.all(rows[formula.of] == 1))
    if is_rate and abs(hits - round(hits)) < 1e-6:
        low, high = wilson(round(hits), number)
    elif formula.unit == "share" and error > 1e-12 and 0 < value < 1:
        low, high = _wilson(value, error, number)
    elif error > 1e-12:
        half = student_quantile(number - 1, 1 - LEVEL / 2) * error
        low, high = value - half, value + half
    elif formula.unit in _BOUNDS:
        margin = 1 - (LEVEL / 2) ** (1 / number)
        low, high = value - margin, value + margin
    else:
        return None, None
    return max(lowest, low), min(highest, high)


def _wilson(value: float, error: float, number: int) -> tuple[float, float]:
    """Wilson's interval of a share of `number` items with a standard error."""
    like = min(value * (1 - value) / error**2, _MOST_PER_ITEM * number)
    usual = NormalDist().inv_cdf(1 - LEVEL / 2)
    like *= (usual / student_quantile(number - 1, 1 - LEVEL / 2)) ** 2
    least = usual**2 / like
    middle = (value + least / 2) / (1 + least)
    half = sqrt(value * (1 - value) * least + least**2 / 4) / (1 + least)
    return middle - half, middle + half
