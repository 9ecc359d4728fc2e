"""Calibration: how well a judge agrees with a reference (another judge, or people).

    agreement   share of items with the same verdict
    kappa       Cohen's: (po - pe) / (1 - pe), corrected for chance by both judges' marginals
    weighted    kappa with quadratic weights, 1 - sum w o / sum w e with w = (i - j)^2, for grades
    bias        mean of the judge's grade minus the reference's
    by length   slope of that difference on the answer's length, in grades per 100 words: above 0,
                the judge favours long answers more than the reference does

Cohen 1960 and 1968. Intervals are percentile bootstraps over images. Items without a verdict of
either judge are counted in `left_out` only.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from groundtune.bench.metric import Floats, ratio
from groundtune.bench.stats.bootstrap import interval, resamples
from groundtune.errors import UserError
from groundtune.records import Record, Score

WORDS = 100
"""Unit of length for the slope."""


class JudgedItem(NamedTuple):
    """One item with verdicts of both judges."""

    item: str
    image: str
    verdict: str
    """The verdict of the judge being calibrated."""
    reference: str
    words: int
    """Length of the answer."""


class Figure(Record):
    """A value with its 95% interval; None where undefined."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


class Calibration(Record):
    """Agreement of a judge with the reference."""

    n: int
    """Items with both verdicts."""
    left_out: int
    """Items without a verdict of one or both."""
    verdicts: tuple[str, ...]
    """Sorted verdicts: the order of the table's rows (judge) and columns (reference)."""
    table: tuple[tuple[int, ...], ...]
    agreement: Figure
    kappa: Figure
    weighted_kappa: Figure
    """The weighted kappa and both biases exist only where all verdicts are numbers."""
    bias: Figure
    bias_by_length: Figure
    """In grades per 100 words."""


def calibrate(
    judge_scores: Sequence[Score],
    reference_scores: Sequence[Score],
    *,
    column: str = "",
    seed: int = 0,
) -> Calibration:
    """Compare two judges' scores of the same answers, item by item.

    `column` names the value that is the verdict, where it is a number ("grade", "win", "model").
    Without it, the verdict is the extracted text.

    Raises:
        UserError: the scores have no item in common, or the answers to an item differ.
    """
    by_item = {(score.benchmark, score.item): score for score in reference_scores}
    items: list[JudgedItem] = []
    graded = {(score.benchmark, score.item) for score in judge_scores}
    left_out = len(by_item.keys() - graded)
    for score in judge_scores:
        reference = by_item.get((score.benchmark, score.item))
        if reference is not None and reference.answer != score.answer:
            raise UserError(
                "The two judges graded different answers.",
                f"{score.benchmark}, item {score.item}",
                "Calibrate on the same answers of one model.",
            )
        verdict = _verdict(score, column)
        expected = _verdict(reference, column) if reference else None
        if verdict is None or expected is None:
            left_out += 1
        else:
            words = len(score.answer.split())
            items.append(JudgedItem(score.item, score.image, verdict, expected, words))
    return calibrate_pairs(items, left_out=left_out, seed=seed)


def calibrate_pairs(
    items: Sequence[JudgedItem], *, left_out: int = 0, seed: int = 0
) -> Calibration:
    """Return the calibration of paired verdicts.

    Raises:
        UserError: there are no pairs.
    """
    if not items:
        raise UserError(
            "No item has a verdict from both judges.",
            f"{left_out} items",
            "Give scores of the same answers by both judges.",
        )
    names = sorted({v for item in items for v in (item.verdict, item.reference)}, key=_sort_key)
    images = sorted({item.image for item in items})
    image_index = {image: i for i, image in enumerate(images)}
    weights_RI, k = resamples(len(images), seed), len(names)
    counts_IC = _counts(items, names, image_index)

    def figure(formula: Callable[[Floats], Floats], sums: Floats, *, share: bool = False) -> Figure:
        value = float(formula(sums.sum(0)[None])[0])
        if not np.isfinite(value):
            return Figure()
        draws = formula(weights_RI @ sums)
        low, high = interval(draws, value, images=len(images), share=share)
        return Figure(value=value, low=low, high=high)

    grades = _grades(items)
    weighted = bias = by_length = Figure()
    if grades is not None:
        scale = np.array([float(name) for name in names])
        apart_KK = scale[:, None] - scale
        weighted = figure(lambda counts: _kappa(counts, apart_KK**2), counts_IC)
        bias = figure(lambda counts: _mean(counts, apart_KK), counts_IC)
        by_length = figure(_slope, _length_sums(items, grades, image_index))
    table = counts_IC.sum(0).reshape(k, k)
    return Calibration(
        n=len(items),
        left_out=left_out,
        verdicts=tuple(names),
        table=tuple(tuple(int(count) for count in line) for line in table),
        agreement=figure(lambda counts: _mean(counts, np.eye(k)), counts_IC, share=True),
        kappa=figure(lambda counts: _kappa(counts, 1 - np.eye(k)), counts_IC),
        weighted_kappa=weighted,
        bias=bias,
        bias_by_length=by_length,
    )


def _verdict(score: Score, column: str) -> str | None:
    """Return the verdict as text; None where none could be parsed."""
    if score.status == "unparsed" or (column and column not in score.values):
        return None
    return f"{score.values[column]:g}" if column else " ".join(score.extracted)


def _grades(items: Sequence[JudgedItem]) -> Floats | None:
    """Return the verdicts of judge and reference as numbers (2, N); None if one isn't a number."""
    try:
        return np.array([[float(j.verdict) for j in items], [float(j.reference) for j in items]])
    except ValueError:
        return None


def _sort_key(name: str) -> tuple[float, str]:
    try:
        return float(name), name
    except ValueError:
        return float("inf"), name


def _counts(
    items: Sequence[JudgedItem], names: Sequence[str], image_index: dict[str, int]
) -> Floats:
    """Count each pair of verdicts (judge, reference) per image, as (I, K * K)."""
    verdict_index = {name: i for i, name in enumerate(names)}
    counts_IC = np.zeros((len(image_index), len(names) ** 2))
    for item in items:
        counts_IC[
            image_index[item.image],
            verdict_index[item.verdict] * len(names) + verdict_index[item.reference],
        ] += 1
    return counts_IC


def _mean(counts_RC: Floats, weights_KK: Floats) -> Floats:
    return ratio(counts_RC @ weights_KK.ravel(), counts_RC.sum(-1))


def _kappa(counts_RC: Floats, weights_KK: Floats) -> Floats:
    """Return 1 - observed / expected disagreement (R,); NaN where none is expected."""
    k = len(weights_KK)
    counts_RKK = counts_RC.reshape(-1, k, k)
    judge_RK, reference_RK = counts_RKK.sum(2), counts_RKK.sum(1)
    total_R = counts_RC.sum(-1)
    observed = (counts_RKK * weights_KK).sum((1, 2))
    expected = np.einsum("ri,rj,ij->r", judge_RK, reference_RK, weights_KK)
    return 1 - ratio(observed * total_R, expected)


def _length_sums(
    items: Sequence[JudgedItem], grades: Floats, image_index: dict[str, int]
) -> Floats:
    """Sum 1, x, x^2, y and xy per image (I, 5): x is the length, y the difference of grades."""
    sums_IS = np.zeros((len(image_index), 5))
    for item, grade, reference in zip(items, *grades, strict=True):
        x, y = item.words, grade - reference
        sums_IS[image_index[item.image]] += (1, x, x * x, y, x * y)
    return sums_IS


def _slope(sums_RS: Floats) -> Floats:
    n, x, xx, y, xy = sums_RS.T
    return WORDS * ratio(n * xy - x * y, n * xx - x * x)
