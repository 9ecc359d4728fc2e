"""Krippendorff's alpha as sums that can be added over units, texts and items.

For values given to units: Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", nominal.
For spans of texts: unitising alpha by Krippendorff, Mathet, Bouvry and Widloecher 2016, "On the
reliability of unitizing textual continua: Further developments", Quality & Quantity 50. Both are
1 - observed / expected disagreement, and differ in what can't be paired with itself: a value, or
every character of a span. So one formula of the same sums serves both:

    alpha = 1 - apart * (n^2 - squares) / (n * (n^2 - sum of n_c^2))

`n_c` is how often (on how many characters) the value c was given, `n` their sum, `apart` the
observed disagreement: unequal ordered pairs of people per unit, over the unit's people less one.
`squares` sums the squared lengths of what was given as one: n itself for values.

What only one person judged says nothing of agreement and has no sums. Where everybody gave one
value only, people agree: alpha is 1 there, where the formula has no value.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Sums = dict[str, float]
"""Named sums; those of several units are added name by name."""
NO_SPAN = "-"
"""The value of characters that a person left unmarked."""
_GIVEN = " = "


class Unit(NamedTuple):
    """Characters [start, end) of a text, end > start, and what a person said of them."""

    start: int
    end: int
    value: str


def value_sums(name: str, values: Sequence[str]) -> Sums:
    """Return the sums of one unit to which several people gave values; none for fewer than two."""
    people = len(values)
    if people < 2:
        return {}
    counts = Counter(values)
    apart = people**2 - sum(number**2 for number in counts.values())
    counts_by_name = {f"{name}{_GIVEN}{value}": float(number) for value, number in counts.items()}
    return {
        f"{name} apart": apart / (people - 1),
        f"{name} squares": float(people),
        **counts_by_name,
    }


def unit_sums(name: str, length: int, people: Sequence[Sequence[Unit]]) -> Sums:
    """Return the sums of a text of `length` characters in which several people marked units.

    Each person's units are in order and don't overlap. None for fewer than two people, or an
    empty text.
    """
    if len(people) < 2 or not length:
        return {}
    masks = [_masks(length, person_masks) for person_masks in people]
    equal = sum(
        (mask & second.get(value, 0)).bit_count()
        for first, second in combinations(masks, 2)
        for value, mask in first.items()
    )
    pairs = len(people) * (len(people) - 1) // 2
    lengths: Counter[str] = Counter()
    squares = 0
    for person_masks, units in zip(masks, people, strict=True):
        lengths.update({value: mask.bit_count() for value, mask in person_masks.items()})
        squares += person_masks[NO_SPAN].bit_count() + sum(
            (unit.end - unit.start) ** 2 for unit in units
        )
    lengths_by_name = {
        f"{name}{_GIVEN}{value}": float(number) for value, number in lengths.items() if number
    }
    apart = 2 * (pairs * length - equal) / (len(people) - 1)
    return {f"{name} apart": apart, f"{name} squares": float(squares), **lengths_by_name}


def alpha(name: str, table: Mapping[str, Floats]) -> Floats:
    """Return alpha for each row of a table of sums, (R,) from columns (R,); NaN without sums."""
    if f"{name} apart" not in table:
        rows = next(iter(table.values())).shape if table else (0,)
        return np.full(rows, np.nan)
    apart, squares = table[f"{name} apart"], table[f"{name} squares"]
    columns = [column for key, column in table.items() if key.startswith(f"{name}{_GIVEN}")]
    number = np.sum(columns, axis=0)
    expected = number * (number**2 - np.sum(np.square(columns), axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        values = 1 - apart * (number**2 - squares) / expected
    values = np.where((expected < 0.5) & (apart < 1e-9), 1.0, values)
    return np.where(number > 0, values, np.nan)


def added(sums: Sequence[Sums]) -> Sums:
    """Return the sums of all."""
    total: Sums = {}
    for each in sums:
        for name, value in each.items():
            total[name] = total.get(name, 0.0) + value
    return total


def alpha_of(name: str, sums: Sums) -> float | None:
    """Return alpha of one set of sums; None if nothing was judged by two people."""
    if f"{name} apart" not in sums:
        return None
    return float(alpha(name, {key: np.array([value]) for key, value in sums.items()})[0])


def _masks(length: int, units: Sequence[Unit]) -> dict[str, int]:
    """The characters of each value as bits."""
    masks: dict[str, int] = {}
    covered = 0
    for unit in units:
        bits = (1 << unit.end) - (1 << unit.start)
        masks[unit.value] = masks.get(unit.value, 0) | bits
        covered |= bits
    return {**masks, NO_SPAN: ((1 << length) - 1) & ~covered}
