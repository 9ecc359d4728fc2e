"""Tests, powers and variances against hand-computed values, scipy and simulations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from groundtune.bench.stats.bootstrap import Floats, ratio
from groundtune.bench.stats.power import smallest_effect
from groundtune.bench.stats.significance import holm, mcnemar, permutation, wilson
from groundtune.bench.stats.variance import components


@given(st.integers(1, 500), st.data())
def test_wilsons_interval_is_scipys(n: int, data: st.DataObject):
    hits = data.draw(st.integers(0, n))
    low, high = wilson(hits, n)
    theirs = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert 0 <= low <= hits / n <= high <= 1


def test_a_rate_of_nothing_has_an_interval_of_everything():
    assert wilson(0, 0) == (0, 1)
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    with pytest.raises(ValueError, match="11 hits of 10"):
        wilson(11, 10)


@given(st.integers(0, 80), st.integers(0, 80))
def test_mcnemar_is_the_exact_binomial_test_and_does_not_care_who_is_who(ours: int, theirs: int):
    p = mcnemar(ours, theirs)
    assert p == mcnemar(theirs, ours)
    assert 0 < p <= 1
    if ours + theirs:
        exact = stats.binomtest(ours, ours + theirs).pvalue
        assert p == pytest.approx(exact, abs=1e-9)


def test_mcnemar_by_hand():
    assert mcnemar(0, 5) == pytest.approx(2 / 32)
    assert mcnemar(1, 5) == pytest.approx(2 * 7 / 64)
    assert mcnemar(0, 0) == 1
    assert mcnemar(4800, 5200) == pytest.approx(stats.binomtest(4800, 10_000).pvalue, rel=1e-7)


def mean(sums: Floats) -> Floats:
    return ratio(sums[:, 0], sums[:, 1])


def test_all_exchanges_of_few_images_are_tried():
    ours = np.array([[3.0, 3], [2, 2], [1, 1], [5, 5]])
    theirs = np.array([[0.0, 3], [0, 2], [0, 1], [0, 5]])
    # Only "none" and "all" of 16 exchanges are as far apart as what was seen.
    assert permutation(ours, theirs, mean) == pytest.approx(2 / 16)
    assert permutation(ours, ours, mean) == 1


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=10))
@settings(max_examples=40, deadline=None)
def test_the_permutation_of_few_images_is_scipys(pairs: list[tuple[int, int]]):
    table = np.array(pairs, dtype=float)
    ones = np.ones((len(pairs), 1))
    ours, theirs = (np.hstack([table[:, [i]], ones]) for i in (0, 1))

    def apart(x: Floats, y: Floats, axis: int = -1) -> Floats:
        return np.abs(np.mean(x, axis=axis) - np.mean(y, axis=axis))

    found = stats.permutation_test(
        (table[:, 0], table[:, 1]),
        apart,
        permutation_type="samples",
        alternative="greater",
        vectorized=True,
        n_resamples=2**11,
    )
    assert permutation(ours, theirs, mean) == pytest.approx(found.pvalue, abs=1e-9)


def test_a_permutation_of_many_images_agrees_with_mcnemar_and_keeps_an_images_answers_together():
    rng = np.random.default_rng(4)
    right = (rng.random((300, 2)) < (0.62, 0.7)).astype(float)
    ones = np.ones((300, 1))
    ours, theirs = (np.hstack([right[:, [i]], ones]) for i in (0, 1))
    only = [int(((right[:, i] == 1) & (right[:, 1 - i] == 0)).sum()) for i in (0, 1)]
    alone = permutation(ours, theirs, mean)
    assert alone == pytest.approx(mcnemar(*only), abs=0.01)
    assert permutation(ours, theirs, mean) == alone
    # Ten copies of each item in one image are no more evidence than one item.
    assert permutation(10 * ours, 10 * theirs, mean) == alone


def test_random_exchanges_estimate_the_share_of_all_of_them():
    change = np.random.default_rng(7).normal(0.2, 1, size=16)
    ours, theirs = (np.stack([sign * change / 2, np.ones(16)], axis=1) for sign in (1, -1))
    signs = 2 * (np.arange(2**16)[:, None] >> np.arange(16) & 1) - 1
    exact = (np.abs(signs @ change) >= abs(change.sum()) - 1e-9).mean()
    assert 0.1 < exact < 0.9
    assert permutation(ours, theirs, mean) == pytest.approx(exact, abs=0.02)


def test_equal_models_differ_by_chance_in_one_of_twenty_comparisons():
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(200):
        sums = rng.poisson(2.0, size=(2, 30, 2)).astype(float)
        sums[..., 1] += sums[..., 0]
        found += permutation(sums[0], sums[1], mean, number=199) <= 0.05
    assert 2 <= found <= 20


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_raises_every_p_keeps_their_order_and_is_at_most_bonferroni(ps: list[float]):
    corrected = holm(ps)
    assert all(p <= c <= min(1, len(ps) * p) + 1e-12 for p, c in zip(ps, corrected, strict=True))
    by_p = [c for _, c in sorted(zip(ps, corrected, strict=True))]
    assert by_p == sorted(by_p)


def test_the_smallest_effect_of_an_interval_is_that_of_its_standard_error():
    effect = smallest_effect(-1.96, 1.96)
    assert effect == pytest.approx(2.80, abs=0.005)
    seen = stats.norm(loc=effect)
    assert seen.sf(1.96) + seen.cdf(-1.96) == pytest.approx(0.8, abs=0.002)


def test_the_judges_variance_by_hand():
    # Item means 1, 3, 5; between = 2 * 8 / 2 = 8, within = 6 / 3 = 2, item = (8 - 2) / 2 = 3.
    made = components([[0, 2], [2, 4], [4, 6]])
    assert made is not None
    assert (made.mean, made.judge_variance, made.item_variance) == pytest.approx((3, 2, 3))
    assert made.item_error == pytest.approx(1)
    assert made.judge_error == pytest.approx((2 / 6) ** 0.5)
    assert made.judge_share == pytest.approx(0.25)
    assert components([[1], [2], [3]]) is None
    assert components([[1, 2]]) is None


def test_the_variances_of_a_simulation_are_found_again():
    rng = np.random.default_rng(2)
    truth = rng.normal(3, 1.5, size=(2000, 1))
    wavering = truth + rng.normal(0, 0.5, size=(2000, 4))
    uneven = [list(row[: 1 + i % 4]) for i, row in enumerate(wavering)]
    made = components(uneven)
    assert made is not None
    assert made.item_variance == pytest.approx(2.25, rel=0.1)
    assert made.judge_variance == pytest.approx(0.25, rel=0.1)
