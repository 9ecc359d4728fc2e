"""Figures and their intervals from summed rows."""

import numpy as np
import pytest

from groundtune.bench.stats.significance import wilson
from groundtune.feedback.agreement.alpha import Sums, value_sums
from groundtune.feedback.asking_order import drawn_priorities
from groundtune.pipeline.annotate.quality.estimates import (
    FigureValue,
    alpha_formula,
    estimate,
    is_apart,
    share,
)
from groundtune.pipeline.annotate.quality.table import SumRows
from groundtune.pipeline.annotate.quality.wrong import wrong_answers
from groundtune.store.annotations.progress import DrawnTurn

RATE = share("r", "hits", "all")
MEAN = share("m", "sum", "n", "number")
ALPHA = alpha_formula("v")


def rows_of(sums: list[Sums]) -> SumRows:
    rows = SumRows()
    for number, each in enumerate(sums):
        rows.put(f"item-{number}", each)
    return rows


def test_a_rate_of_single_answers_has_wilson_s_interval():
    rows = {"hits": np.array([1.0, 0, 0, 1, 0]), "all": np.ones(5)}
    found = estimate(RATE, rows)
    assert found[:4] == (0.4, *wilson(2, 5), 5)


def test_the_error_of_a_mean_is_the_usual_one():
    values = np.array([2.0, 3.0, 7.0, 4.0])
    found = estimate(MEAN, {"sum": values, "n": np.ones(4)})
    assert found.value == 4.0
    assert found.error == pytest.approx(values.std(ddof=1) / 2)
    # Student's quantile for three degrees of freedom is 3.182.
    assert found.high == pytest.approx(4 + 3.182 * values.std(ddof=1) / 2, abs=1e-3)


def test_rows_without_the_figure_do_not_count():
    rows = {"sum": np.array([2.0, 0, 7.0]), "n": np.array([1.0, 0, 1])}
    assert estimate(MEAN, rows).n == 2
    assert estimate(MEAN, {"sum": np.zeros(2), "n": np.zeros(2)}).n == 0
    assert estimate(ALPHA, {}).n == 0


def test_ten_items_without_a_difference_do_not_prove_that_there_is_none():
    sums = rows_of([value_sums("v", ["a", "a"]) for _ in range(10)])
    found = estimate(ALPHA, sums.columns())
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.025**0.1)
    assert estimate(MEAN, {"sum": np.ones(3), "n": np.ones(3)}).low is None


def test_intervals_of_alpha_contain_the_truth_as_often_as_they_say():
    # Two people answer yes or no to 60 items and are right 9 times in 10: alpha of very many items.
    rng = np.random.default_rng(0)

    def drawn(items: int) -> list[Sums]:
        truth = rng.random(items) < 0.4
        said = [truth ^ (rng.random(items) < 0.1) for _ in range(2)]
        return [value_sums("v", [str(a), str(b)]) for a, b in zip(*said, strict=True)]

    truth = estimate(ALPHA, rows_of(drawn(40_000)).columns()).value
    assert truth == pytest.approx(0.626, abs=0.02)
    found = [estimate(ALPHA, rows_of(drawn(60)).columns()) for _ in range(300)]
    covered = sum((each.low or 0) <= truth <= (each.high or 0) for each in found)
    assert 0.91 <= covered / 300 <= 0.98


def test_a_row_can_be_replaced_and_removed():
    rows = rows_of([{"a": 1.0}, {"a": 2.0, "b": 5.0}, {"a": 3.0}])
    rows.put("item-1", {"a": 7.0})
    rows.put("item-0", {})
    rows.put("item-9", {f"c{n}": float(n) for n in range(40)})  # more columns than there is room
    for number in range(100):
        rows.put(f"more-{number}", {"d": 1.0})
    columns = rows.columns()
    assert columns["a"].sum() == 10.0
    assert columns["b"].sum() == 0.0
    assert columns["c39"].sum() == 39.0
    assert (columns["d"].sum(), len(rows), len(rows.keys)) == (100.0, 103, 103)


def test_a_person_is_unlike_others_only_beyond_what_chance_gives():
    others = FigureValue(value=0.5, n=1000, error=0.016)
    assert is_apart(FigureValue(value=0.9, n=50, error=0.04), others, "share", tests=60)
    assert not is_apart(FigureValue(value=0.6, n=50, error=0.07), others, "share", tests=60)
    # All of three answers: an error of 0, and yet no proof.
    assert not is_apart(FigureValue(value=1.0, n=3, error=0.0), others, "share", tests=60)
    assert not is_apart(FigureValue(value=1.0, n=50, error=0.0), FigureValue(), "share", tests=60)


def test_answers_that_are_asked_first_stand_for_those_that_are_not_asked():
    # 400 answers, a quarter doubtful; wrong are 80% of the doubtful and 10% of the others.
    rng = np.random.default_rng(1)
    doubtful = [number % 4 == 0 for number in range(400)]
    wrong = [bool(rng.random() < (0.8 if each else 0.1)) for each in doubtful]
    truth = sum(wrong) / 400
    sizes = {f"item-{n}": 2.0 if each else 0.2 for n, each in enumerate(doubtful)}
    weighted: list[float] = []
    covered = 0
    for seed in range(100):
        priorities = drawn_priorities(sizes, seed)
        first = sorted(priorities, key=lambda key: -priorities[key])[:100]
        rows = SumRows()
        for key in first:
            is_wrong = float(wrong[int(key.split("-")[1])])
            rows.put(key, {"judged": 1.0, "wrong": is_wrong, "unsure": 0.0})
        turns = {key: DrawnTurn(priorities[key], sizes[key]) for key in sizes}
        found = wrong_answers(rows, turns)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        weighted.append(found.value)
        covered += found.low <= truth <= found.high
        plain = wrong_answers(rows, {})
        assert plain is not None
        assert plain.value > truth + 0.1  # doubtful answers are wrong more often
    assert np.mean(weighted) == pytest.approx(truth, abs=0.015)
    assert covered >= 88


def test_a_share_of_several_errors_per_item_has_wilson_s_interval_of_as_many_observations():
    # Items with 4 errors each, of which 3, 4, 4, 4, 4, 4, 4 and 3 were found: 30 of 32.
    found = estimate(RATE, {"hits": np.array([3.0, 4, 4, 4, 4, 4, 4, 3]), "all": np.full(8, 4.0)})
    assert found.value == 30 / 32
    # Equal denominators: the error is that of the mean of the items' shares, 1/8 x sqrt(1.5/7)/...
    shares = np.array([0.75, 1, 1, 1, 1, 1, 1, 0.75])
    assert found.error == pytest.approx(shares.std(ddof=1) / np.sqrt(8))
    # value (1 - value) / error^2 = 21.9 observations, at most two per item: 16; Student's quantile
    # for seven degrees of freedom is 2.365: 16 x (1.960 / 2.365)^2 = 10.99 observations.
    like = 16 * (1.959964 / 2.364624) ** 2
    assert like == pytest.approx(10.99, abs=0.01)
    z, p = 1.959964, 30 / 32
    middle = (p + z * z / (2 * like)) / (1 + z * z / like)
    half = z * np.sqrt(p * (1 - p) / like + z * z / (4 * like**2)) / (1 + z * z / like)
    assert (found.low, found.high) == pytest.approx((middle - half, middle + half), abs=1e-4)
    assert found.high < 1


def test_shares_near_one_of_few_items_contain_the_truth_as_often_as_they_say():
    # Two errors per item, of which a person misses one in ten: Student's intervals contained the
    # truth in 88% of these draws.
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        lengths = rng.integers(1, 12, (15, 2)).astype(float)
        hits = (lengths * (rng.random((15, 2)) < 0.9)).sum(axis=1)
        found = estimate(RATE, {"hits": hits, "all": lengths.sum(axis=1)})
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= 0.9 <= found.high
    assert inside / 400 >= 0.93
