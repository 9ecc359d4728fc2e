"""Calibration: does a judge say what another judge, or people, said of the same answers?

    agreement   share of items with the same verdict
    kappa       Cohen's: (po - pe) / (1 - pe), chance-corrected by both judges' own shares
    weighted    kappa with quadratic weights, 1 - sum w o / sum w e with w = (i - j)^2, for grades
    bias        mean of the judge's grade less the other's
    by length   slope of that difference on the answer's length, in grades a 100 words: above 0,
                the judge likes long answers better than the other does

Cohen 1960 and 1968. Intervals are percentile bootstraps over images. Items that one of the two
has no verdict on are counted and in no figure.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from groundtune.bench.metric import Floats, ratio
from groundtune.bench.stats.bootstrap import interval, resamples
from groundtune.errors import UserError
from groundtune.records import Record, Score

WORDS = 100
"""The slope is told for so many words."""


class Judged(NamedTuple):
    """One item that both judges saw."""

    item: str
    image: str
    mine: str
    """The verdict of the judge that is calibrated."""
    other: str
    words: int
    """Of the answer."""


class Figure(Record):
    """A figure and its 95% interval; None where it isn't defined."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


class Calibration(Record):
    """How a judge compares with recorded judgements."""

    n: int
    """Items with both verdicts."""
    left_out: int
    """Items that one or both have no verdict on."""
    verdicts: tuple[str, ...]
    """Sorted; the order of the table's rows (mine) and columns (the other's)."""
    table: tuple[tuple[int, ...], ...]
    agreement: Figure
    kappa: Figure
    weighted_kappa: Figure
    """These three only where all verdicts are numbers."""
    bias: Figure
    bias_by_length: Figure
    """Grades a 100 words."""


def calibrate(
    mine: Sequence[Score], other: Sequence[Score], *, column: str = "", seed: int = 0
) -> Calibration:
    """Compares two judges' scores of the same answers, item by item, by what was extracted.

    `column` names the value that is the verdict where it is a number ("grade", "win", "model");
    without it the words that were extracted are.

    Raises:
        UserError: they have no item in common, or an item's answers differ.
    """
    known = {(score.benchmark, score.item): score for score in other}
    judged: list[Judged] = []
    seen = {(score.benchmark, score.item) for score in mine}
    left_out = len(known.keys() - seen)
    for score in mine:
        beside = known.get((score.benchmark, score.item))
        if beside is not None and beside.answer != score.answer:
            raise UserError(
                "The two judges saw different answers.",
                f"{score.benchmark}, item {score.item}",
                "Calibrate on the same answers of one model.",
            )
        own, others = _verdict(score, column), _verdict(beside, column) if beside else None
        if own is None or others is None:
            left_out += 1
        else:
            judged.append(Judged(score.item, score.image, own, others, len(score.answer.split())))
    return calibrate_pairs(judged, left_out=left_out, seed=seed)


def calibrate_pairs(judged: Sequence[Judged], *, left_out: int = 0, seed: int = 0) -> Calibration:
    """The calibration of verdicts that are paired already.

    Raises:
        UserError: there are none.
    """
    if not judged:
        raise UserError(
            "No item has a verdict of both judges.",
            f"{left_out} items",
            "Give judgements of the same answers.",
        )
    names = sorted({v for each in judged for v in (each.mine, each.other)}, key=_order)
    images = sorted({each.image for each in judged})
    row = {image: i for i, image in enumerate(images)}
    weights_RI, k = resamples(len(images), seed), len(names)
    counts_IC = _counts(judged, names, row)

    def figure(formula: Callable[[Floats], Floats], sums: Floats, *, share: bool = False) -> Figure:
        value = float(formula(sums.sum(0)[None])[0])
        if not np.isfinite(value):
            return Figure()
        draws = formula(weights_RI @ sums)
        low, high = interval(draws, value, images=len(images), share=share)
        return Figure(value=value, low=low, high=high)

    grades = _grades(judged)
    weighted = bias = by_length = Figure()
    if grades is not None:
        scale = np.array([float(name) for name in names])
        apart_KK = scale[:, None] - scale
        weighted = figure(lambda counts: _kappa(counts, apart_KK**2), counts_IC)
        bias = figure(lambda counts: _mean(counts, apart_KK), counts_IC)
        by_length = figure(_slope, _length_sums(judged, grades, row))
    table = counts_IC.sum(0).reshape(k, k)
    return Calibration(
        n=len(judged),
        left_out=left_out,
        verdicts=tuple(names),
        table=tuple(tuple(int(each) for each in line) for line in table),
        agreement=figure(lambda counts: _mean(counts, np.eye(k)), counts_IC, share=True),
        kappa=figure(lambda counts: _kappa(counts, 1 - np.eye(k)), counts_IC),
        weighted_kappa=weighted,
        bias=bias,
        bias_by_length=by_length,
    )


def _verdict(score: Score, column: str) -> str | None:
    """The verdict in words; None where the judge gave none that can be read."""
    if score.status == "unparsed" or (column and column not in score.values):
        return None
    return f"{score.values[column]:g}" if column else " ".join(score.extracted)


def _grades(judged: Sequence[Judged]) -> Floats | None:
    """Mine and the other's as numbers (2, N); None where one isn't a number."""
    try:
        return np.array([[float(j.mine) for j in judged], [float(j.other) for j in judged]])
    except ValueError:
        return None


def _order(name: str) -> tuple[float, str]:
    try:
        return float(name), name
    except ValueError:
        return float("inf"), name


def _counts(judged: Sequence[Judged], names: Sequence[str], row: dict[str, int]) -> Floats:
    """How often each pair of verdicts (mine, the other's) is in each image (I, K * K)."""
    place = {name: i for i, name in enumerate(names)}
    counts_IC = np.zeros((len(row), len(names) ** 2))
    for each in judged:
        counts_IC[row[each.image], place[each.mine] * len(names) + place[each.other]] += 1
    return counts_IC


def _mean(counts_RC: Floats, worth_KK: Floats) -> Floats:
    return ratio(counts_RC @ worth_KK.ravel(), counts_RC.sum(-1))


def _kappa(counts_RC: Floats, weights_KK: Floats) -> Floats:
    """1 - observed over expected disagreement (R,); NaN where none is to be expected."""
    k = len(weights_KK)
    counts_RKK = counts_RC.reshape(-1, k, k)
    mine_RK, other_RK = counts_RKK.sum(2), counts_RKK.sum(1)
    total_R = counts_RC.sum(-1)
    observed = (counts_RKK * weights_KK).sum((1, 2))
    expected = np.einsum("ri,rj,ij->r", mine_RK, other_RK, weights_KK)
    return 1 - ratio(observed * total_R, expected)


def _length_sums(judged: Sequence[Judged], grades: Floats, row: dict[str, int]) -> Floats:
    """Sums an image of 1, x, x^2, y and xy: x is the length, y the difference of the grades."""
    sums_IS = np.zeros((len(row), 5))
    for each, mine, other in zip(judged, *grades, strict=True):
        x, y = each.words, mine - other
        sums_IS[row[each.image]] += (1, x, x * x, y, x * y)
    return sums_IS


def _slope(sums_RS: Floats) -> Floats:
    n, x, xx, y, xy = sums_RS.T
    return WORDS * ratio(n * xy - x * y, n * xx - x * x)
