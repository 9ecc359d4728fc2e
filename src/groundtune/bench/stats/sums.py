"""Sums of scores per image, from which metrics, bootstraps and tests are computed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from groundtune.bench.metric import Floats, Metric, ratio
from groundtune.errors import UserError
from groundtune.records import Score

ALWAYS = ("asked", "scored", "unparsed")


@dataclass(frozen=True, slots=True, kw_only=True)
class SumTable:
    """Sums per image of the scores of one model, benchmark and decoding."""

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
    """Sums (R, C) of resamples by seed, cached by `bootstrap.resampled`."""

    def weights(self, weight_of: dict[str, float]) -> Floats:
        """The columns' weights (C,); a name that no score has is ignored."""
        return np.array([float(weight_of.get(name, 0.0)) for name in self.columns])

    def total(self, name: str) -> float:
        """Sum of a column over all images."""
        return float(self.sums_IC[:, self.columns.index(name)].sum())


class RunningSums:
    """Sums per image of one model, benchmark and decoding, from scores that arrive in batches."""

    def __init__(self) -> None:
        self.n = 0
        self.unparsed = 0
        self._rows: dict[str, int] = {}
        self._columns: dict[str, int] = {name: i for i, name in enumerate(ALWAYS)}
        self._sums_IC = np.zeros((64, 16))
        self._items: set[str] = set()
        self._where = ""

    def add(self, scores: Sequence[Score]) -> None:
        """Add further scores."""
        for score in scores:
            row = self._rows.setdefault(score.image, len(self._rows))
            places = [self._columns.setdefault(n, len(self._columns)) for n in score.values]
            self._grow()
            image_sums = self._sums_IC[row]
            image_sums[0] += 1
            image_sums[1 if score.status == "scored" else 2] += 1
            for place, value in zip(places, score.values.values(), strict=True):
                image_sums[place] += value
            self.unparsed += score.status == "unparsed"
            self._items.add(score.item)
        self.n += len(scores)
        if scores and not self._where:
            self._where = f"{scores[0].model}, {scores[0].benchmark}, {scores[0].decoding}"

    def table(self) -> SumTable:
        """The sums of the scores so far.

        Raises:
            UserError: an item is there twice.
            ValueError: there are no scores.
        """
        if not self.n:
            raise ValueError("no scores to tabulate")
        if len(self._items) != self.n:
            raise UserError(
                f"{self.n - len(self._items)} items were answered more than once.",
                self._where,
                "Score one answer per item, model and decoding.",
            )
        images = sorted(self._rows)
        columns = (*ALWAYS, *sorted(self._columns.keys() - set(ALWAYS)))
        rows = [self._rows[image] for image in images]
        places = [self._columns[name] for name in columns]
        return SumTable(
            images=tuple(images),
            columns=columns,
            sums_IC=np.ascontiguousarray(self._sums_IC[rows][:, places]),
            items=frozenset(self._items),
            where=self._where,
        )

    def _grow(self) -> None:
        rows, columns = self._sums_IC.shape
        if len(self._rows) > rows or len(self._columns) > columns:
            more = (max(rows, 2 * len(self._rows)), max(columns, 2 * len(self._columns)))
            larger = np.zeros(more)
            larger[:rows, :columns] = self._sums_IC
            self._sums_IC = larger


def tabulate(scores: Sequence[Score]) -> SumTable:
    """The sums per image of the scores of one model, benchmark and decoding.

    Raises:
        UserError: an item is there twice.
        ValueError: there are none.
    """
    sums = RunningSums()
    sums.add(scores)
    return sums.table()


def group(scores: Iterable[Score]) -> dict[tuple[str, str, str], list[Score]]:
    """Scores by (model, benchmark, decoding), in order of appearance."""
    groups: dict[tuple[str, str, str], list[Score]] = {}
    for score in scores:
        groups.setdefault((score.model, score.benchmark, score.decoding), []).append(score)
    return groups


class Sums(Mapping[str, Floats]):
    """Sums (R,) by column, for a formula; 0 for a column that no score has."""

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
    """A metric without its interval; None for a denominator of 0."""
    sums_1C = table.sums_IC.sum(0, keepdims=True)
    value = float(apply(metric, table, sums_1C)[0])
    return value if np.isfinite(value) else None


def apply(metric: Metric, table: SumTable, sums_RC: Floats) -> Floats:
    """Return a metric of each row of sums (R,) in a table's columns; NaN where there is none."""
    return apply_to_sums(metric, table.columns, sums_RC)


def spread(table: SumTable, columns: Sequence[str]) -> Floats:
    """Return a table's sums (I, C) in other columns; 0 for missing names."""
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
        f"Two models to compare have not answered the same items: {len(alone)} differ"
        f"{' (' + alone[0] + ')' if alone else ''}.",
        f"{table.where} against {other.where}",
        "Run both on the same split, number and seed.",
    )
