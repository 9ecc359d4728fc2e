"""Sums per image of scores: what metrics, bootstraps and tests are computed from."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from groundtune.bench.metric import Floats, Metric, ratio
from groundtune.errors import UserError
from groundtune.records import Score

ALWAYS = ("asked", "scored", "unparsed")


@dataclass(frozen=True, slots=True, kw_only=True)
class SumTable:
    """Sums an image of the scores of one model, benchmark and decoding."""

    images: tuple[str, ...]
    """Sorted."""
    columns: tuple[str, ...]
    sums_IC: Floats
    items: frozenset[str]
    where: str
    """"model, benchmark, decoding", for errors."""
    resampled: dict[int, Floats] = field(
        default_factory=dict[int, Floats], repr=False, compare=False
    )
    """Sums (R, C) of resamples by seed, once `bootstrap.resampled` has made them."""

    def weights(self, wanted: dict[str, float]) -> Floats:
        """The columns' weights (C,); a name that no score has counts nothing."""
        return np.array([float(wanted.get(name, 0.0)) for name in self.columns])

    def total(self, name: str) -> float:
        """Sum of a column over all images."""
        return float(self.sums_IC[:, self.columns.index(name)].sum())


def tabulate(scores: Sequence[Score]) -> SumTable:
    """The sums an image of scores of one model, benchmark and decoding.

    Raises:
        UserError: an item is there twice.
        ValueError: there are none.
    """
    if not scores:
        raise ValueError("no scores to tabulate")
    where = f"{scores[0].model}, {scores[0].benchmark}, {scores[0].decoding}"
    images = sorted({score.image for score in scores})
    columns = [*ALWAYS, *sorted({name for score in scores for name in score.values})]
    row = {image: i for i, image in enumerate(images)}
    column = {name: i for i, name in enumerate(columns)}
    sums_IC = np.zeros((len(images), len(columns)))
    for score in scores:
        here = sums_IC[row[score.image]]
        here[0] += 1
        here[1 if score.status == "scored" else 2] += 1
        for name, value in score.values.items():
            here[column[name]] += value
    items = frozenset(score.item for score in scores)
    if len(items) != len(scores):
        raise UserError(
            f"{len(scores) - len(items)} items were answered more than once.",
            where,
            "Score one answer an item, model and decoding.",
        )
    return SumTable(
        images=tuple(images),
        columns=tuple(columns),
        sums_IC=sums_IC,
        items=items,
        where=where,
    )


def group(scores: Iterable[Score]) -> dict[tuple[str, str, str], list[Score]]:
    """Scores by (model, benchmark, decoding), in order of appearance."""
    groups: dict[tuple[str, str, str], list[Score]] = {}
    for score in scores:
        groups.setdefault((score.model, score.benchmark, score.decoding), []).append(score)
    return groups


class Sums(Mapping[str, Floats]):
    """Sums (R,) by column, as a formula reads them; 0 for a column that no score has."""

    def __init__(self, columns: Sequence[str], sums_RC: Floats) -> None:
        self._place = {name: i for i, name in enumerate(columns)}
        self._sums_RC = sums_RC

    def __getitem__(self, name: str) -> Floats:
        place = self._place.get(name)
        return np.zeros(len(self._sums_RC)) if place is None else self._sums_RC[:, place]

    def __iter__(self) -> Iterator[str]:
        return iter(self._place)

    def __len__(self) -> int:
        return len(self._place)


def value_of(table: SumTable, metric: Metric) -> float | None:
    """A metric without its interval; None where there is none (a denominator of 0)."""
    sums_1C = table.sums_IC.sum(0, keepdims=True)
    value = float(apply(metric, table, sums_1C)[0])
    return value if np.isfinite(value) else None


def apply(metric: Metric, table: SumTable, sums_RC: Floats) -> Floats:
    """Return a metric of each row of sums (R,) in a table's columns; NaN where there is none."""
    return apply_to_sums(metric, table.columns, sums_RC)


def spread(table: SumTable, columns: Sequence[str]) -> Floats:
    """Return a table's sums (I, C) in other columns; 0 where it has none of a name."""
    place: Mapping[str, int] = {name: i for i, name in enumerate(table.columns)}
    sums_IC = np.zeros((len(table.images), len(columns)))
    for to, name in enumerate(columns):
        if name in place:
            sums_IC[:, to] = table.sums_IC[:, place[name]]
    return sums_IC


def apply_to_sums(metric: Metric, columns: Sequence[str], sums_RC: Floats) -> Floats:
    """Return a metric of each row of sums (R,); NaN where there is none."""
    if metric.formula is not None:
        return metric.formula(Sums(columns, sums_RC))
    over, under = (
        np.array([weights.get(name, 0.0) for name in columns], dtype=np.float64)
        for weights in (metric.numerator, metric.denominator)
    )
    return ratio(sums_RC @ over, sums_RC @ under)


def is_binary(values: Floats) -> bool:
    """Return whether all values are 0 or 1."""
    return bool(np.isin(values, (0.0, 1.0)).all())


def refuse_other_items(table: SumTable, other: SumTable) -> None:
    """Raise UserError unless both tables hold the same items."""
    if table.items == other.items and table.images == other.images:
        return
    alone = sorted(table.items ^ other.items)
    raise UserError(
        f"Two models that are compared have not answered the same items: {len(alone)} differ"
        f"{' (' + alone[0] + ')' if alone else ''}.",
        f"{table.where} against {other.where}",
        "Run both on the same split, number and seed.",
    )
