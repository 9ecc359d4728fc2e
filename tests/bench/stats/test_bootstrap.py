"""Estimates and differences, by hand and by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.bench.metric import Metric, ratio, unparsed_metric
from groundtune.bench.stats.bootstrap import (
    difference,
    estimate,
    interval,
    pooled_difference,
    resamples,
    tail_of,
)
from groundtune.bench.stats.significance import wilson
from groundtune.bench.stats.sums import group, tabulate
from groundtune.errors import UserError
from groundtune.records import Difference, Estimate, Score

RATE = Metric(name="rate", label="Rate", numerator={"bad": 1}, denominator={"all": 1})
MEAN = Metric(
    name="words", label="Words", numerator={"words": 1}, denominator={"scored": 1}, unit="words"
)


def score(item: int, image: int | None = None, model: str = "m", **values: float) -> Score:
    return Score(
        key=f"{model}-{item}",
        benchmark="b",
        item=str(item),
        image=f"{item if image is None else image:05d}",
        model=model,
        values=values,
        status="scored" if values else "unparsed",
    )


def measure(scores: list[Score], metric: Metric) -> Estimate:
    made = estimate(tabulate(scores), metric, model="m", benchmark="b")
    assert made is not None
    return made


def compare(ours: list[Score], theirs: list[Score], metric: Metric) -> Difference:
    made = difference(
        tabulate(ours), tabulate(theirs), metric, model="n", against="m", benchmark="b"
    )
    assert made is not None
    return made


def test_a_ratio_is_that_of_the_sums_and_its_interval_that_of_resampled_images():
    scores = [score(0, 7, bad=1, all=4), score(1, 7, bad=0, all=1), score(2, 8, bad=2, all=5)]
    made = measure(scores, RATE)
    assert made.value == pytest.approx(3 / 10)
    assert made.n == 3
    # Two images: each resample has one of them alone (a quarter each), or both.
    assert made.low == pytest.approx(1 / 5)
    assert made.high == pytest.approx(2 / 5)


def test_answers_about_one_image_are_drawn_together():
    alone = [score(i, i, bad=i % 2, all=1) for i in range(100)]
    together = [score(i, i % 2, bad=i % 2, all=1) for i in range(100)]
    narrow, wide = measure(alone, RATE), measure(together, RATE)
    assert narrow.value == wide.value == 0.5
    assert narrow.high - narrow.low < 0.25
    assert (wide.low, wide.high) == (0, 1)


def test_unparsed_answers_are_counted_and_in_no_other_figure():
    scores = [score(0, bad=1, all=1), score(1, bad=0, all=1), score(2), score(3)]
    assert measure(scores, RATE).value == 0.5
    assert measure(scores, RATE).n == 2
    unparsed = measure(scores, unparsed_metric())
    assert (unparsed.value, unparsed.n) == (0.5, 4)


def test_what_never_happened_in_n_images_still_has_a_width():
    made = measure([score(i, bad=0, all=2) for i in range(50)], RATE)
    assert (made.value, made.low) == (0, 0)
    assert made.high == pytest.approx(1 - 0.025 ** (1 / 50))
    always = measure([score(i, bad=2, all=2) for i in range(50)], RATE)
    assert (always.value, always.high) == (1, 1)
    assert always.low == pytest.approx(0.025 ** (1 / 50))


def test_a_rate_of_items_with_one_an_image_has_wilsons_interval():
    scores = [score(i, bad=float(i < 3), all=1) for i in range(40)]
    made = measure(scores, RATE)
    assert made.value == 3 / 40
    assert (made.low, made.high) == wilson(3, 40)
    by_formula = Metric(name="rate", label="Rate", formula=lambda s: ratio(s["bad"], s["all"]))
    assert measure(scores, by_formula).high == made.high


def test_wilsons_interval_is_of_the_items_that_count():
    scores = [score(0), *(score(i, bad=float(i == 1), all=float(i < 9)) for i in range(1, 40))]
    made = measure(scores, RATE)
    assert (made.low, made.high) == wilson(1, 8)
    unparsed = measure(scores, unparsed_metric())
    assert (unparsed.low, unparsed.high) == wilson(1, 40)


def test_what_is_no_plain_rate_keeps_the_bootstrap():
    f1 = Metric(name="f1", label="F1", formula=lambda s: ratio(2 * s["tp"], 2 * s["tp"] + s["bad"]))
    half = [score(i, tp=float(i % 2), bad=float(not i % 2)) for i in range(40)]
    made = measure(half, f1)
    assert made.value == pytest.approx(2 / 3)
    assert (made.low, made.high) != pytest.approx(wilson(20, 40))
    graded = measure([score(i, bad=(i % 3) / 2, all=1) for i in range(40)], RATE)
    assert (graded.low, graded.high) != pytest.approx(wilson(13, 40))
    together = [score(i, i % 20, bad=float(i % 20 < 10), all=1) for i in range(40)]
    made = measure(together, RATE)
    low, high = wilson(20, 40)
    assert made.low < low - 0.02
    assert made.high > high + 0.02


def test_one_image_says_nearly_nothing_of_a_share():
    made = measure([score(0, bad=1, all=3)], RATE)
    assert made.value == pytest.approx(1 / 3)
    assert (made.low, made.high) == (0, 1)


def test_one_image_gives_a_mean_no_width():
    made = measure([score(0, words=12)], MEAN)
    assert (made.value, made.low, made.high, made.n) == (12, 12, 12, 1)


def test_an_empty_denominator_gives_no_estimate():
    table = tabulate([score(0, bad=0, all=0)])
    assert estimate(table, RATE, model="m", benchmark="b") is None
    assert estimate(tabulate([score(0)]), MEAN, model="m", benchmark="b") is None


def test_an_item_that_is_there_twice_is_refused():
    with pytest.raises(UserError, match="more than once"):
        tabulate([score(0, words=1), score(0, words=2)])


def test_a_difference_is_paired_and_relative():
    theirs = [score(i, words=10 + 50 * (i % 2)) for i in range(40)]
    ours = [score(i, model="n", words=8 + 50 * (i % 2)) for i in range(40)]
    made = compare(ours, theirs, MEAN)
    assert made.value == pytest.approx(-2)
    assert (made.low, made.high) == (pytest.approx(-2), pytest.approx(-2))
    assert made.relative == pytest.approx(-2 / 35)
    assert made.relative_low is not None
    assert made.relative_high is not None
    assert made.relative_low < -2 / 35 < made.relative_high
    assert (made.model, made.against, made.n) == ("n", "m", 40)


def test_a_difference_from_nothing_has_no_relative_one():
    theirs = [score(i, bad=0, all=1) for i in range(10)]
    made = compare([score(i, model="n", bad=i % 2, all=1) for i in range(10)], theirs, RATE)
    assert made.relative is None
    assert made.value == 0.5


def test_two_rates_that_never_moved_differ_by_less_than_the_images_could_show():
    same = [score(i, bad=0, all=1) for i in range(100)]
    made = compare([one.model_copy(update={"model": "n"}) for one in same], same, RATE)
    bound = 1 - 0.025 ** (1 / 100)
    assert (made.value, made.low, made.high) == (0, pytest.approx(-bound), pytest.approx(bound))


def test_models_that_answered_other_items_are_not_compared():
    with pytest.raises(UserError, match="not answered the same items: 2 differ"):
        compare(
            [score(0, words=1), score(2, words=1)], [score(0, words=1), score(1, words=1)], MEAN
        )


def test_runs_pool_to_their_mean_and_are_resampled_too():
    base = tabulate([score(i, words=20) for i in range(50)])
    runs = [tabulate([score(i, words=words) for i in range(50)]) for words in (10, 12, 17)]
    made = pooled_difference(
        [(run, base) for run in runs], MEAN, model="n", against="m", benchmark="b"
    )
    assert made is not None
    assert made.value == pytest.approx(13 - 20)
    assert (made.low, made.high) == (pytest.approx(-10), pytest.approx(-3))
    assert made.relative == pytest.approx(-7 / 20)


def test_scores_are_told_apart_by_model_benchmark_and_decoding():
    scores = [score(0, words=1), score(0, model="n", words=1), score(1, words=2)]
    assert {key: len(some) for key, some in group(scores).items()} == {
        ("m", "b", "greedy"): 2,
        ("n", "b", "greedy"): 1,
    }


def test_the_bootstrap_is_the_same_each_time_and_depends_on_its_seed():
    assert (resamples(7, 1, 50) == resamples(7, 1, 50)).all()
    assert (resamples(7, 1, 50) != resamples(7, 2, 50)).any()
    assert (resamples(7, 1, 50).sum(1) == 7).all()


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """Images with 1 to 6 answers each, whose rates differ between images: mean rate 0.3."""
    rng = np.random.default_rng(0)
    held = 0
    tries = 200
    for _ in range(tries):
        answers = rng.integers(1, 7, size=120)
        bad = rng.binomial(answers, rng.beta(1.5, 3.5, size=120))
        scores = [score(i, bad=b, all=a) for i, (a, b) in enumerate(zip(answers, bad, strict=True))]
        made = measure(scores, RATE)
        held += made.low <= 0.3 <= made.high
    assert 0.90 <= held / tries <= 0.985


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=20))
def test_a_share_lies_inside_its_interval_and_the_interval_in_the_unit(rows: list[tuple[int, int]]):
    scores = [score(i, bad=bad, all=bad + good) for i, (bad, good) in enumerate(rows)]
    made = estimate(tabulate(scores), RATE, model="m", benchmark="b")
    if made is None:
        assert all(row == (0, 0) for row in rows)
    else:
        assert 0 <= made.low <= made.high <= 1


def test_resamples_without_a_denominator_are_left_out():
    draws = np.array([np.nan, 0.2, 0.4, np.nan])
    low, high = interval(draws, 0.3, images=4, share=True)
    assert 0.2 <= low < high <= 0.4


@pytest.mark.parametrize("number", [1, 2, 3, 41, 2000])
def test_an_interval_is_numpys_percentiles_to_the_last_digit(number: int):
    draws = np.random.default_rng(number).normal(size=number)
    low, high = interval(draws, 0.0, images=40, share=False)
    tail = 100 * tail_of(40)
    assert [low, high] == pytest.approx(np.percentile(draws, [tail, 100 - tail]), abs=1e-12)


@pytest.mark.parametrize("kind", ["right or wrong", "mean", "ratio"])
@pytest.mark.parametrize("n", [10, 20, 50])
def test_alike_models_clearly_differ_in_at_most_one_of_twenty_comparisons(kind: str, n: int):
    rng = np.random.default_rng([n, len(kind)])
    metric = MEAN if kind == "mean" else RATE
    clear = 0
    for _ in range(200):
        models: list[list[Score]] = []
        ease = rng.gamma(1, 1, size=n)
        for model in ("m", "n"):
            if kind == "mean":
                rows = [{"words": e + rng.gamma(0.7)} for e in ease]
            else:
                wanted = np.ones(n) if kind == "right or wrong" else rng.integers(1, 8, size=n)
                rows = [
                    {"all": float(k), "bad": float(rng.binomial(int(k), min(0.9, e / 3)))}
                    for k, e in zip(wanted, ease, strict=True)
                ]
            models.append([score(i, model=model, **row) for i, row in enumerate(rows)])
        made = compare(models[1], models[0], metric)
        assert made.p is not None
        assert (made.p <= 0.05) == (made.low > 0 or made.high < 0) == made.clear
        clear += made.clear
    assert clear <= 20  # 10 are expected at most; 21 or more of 200 have a chance of 0.1%


def test_an_interval_that_excludes_zero_against_its_test_is_moved_to_include_it():
    ours = [score(i, model="n", bad=float(i < 5), all=1) for i in range(20)]
    made = compare(ours, [score(i, bad=0, all=1) for i in range(20)], RATE)
    assert made.p == pytest.approx(2 / 32)  # McNemar, 5 against 0
    assert made.test == "McNemar, exact"
    assert made.low == 0
    assert not made.clear


def test_percentiles_of_few_images_are_expanded_as_students_t_is():
    assert [round(tail_of(n), 4) for n in (10, 20, 50, 10_000)] == [0.0086, 0.0159, 0.0212, 0.025]
