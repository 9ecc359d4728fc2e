"""Calibration of a judge, on tables that can be computed by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundtune.bench.judge.calibrate import Judged, calibrate, calibrate_pairs
from groundtune.errors import UserError
from groundtune.records import Score


def pairs(*told: tuple[str, str, int]) -> list[Judged]:
    """(mine, other, how often), of answers with one word."""
    rows = [(mine, other) for mine, other, times in told for _ in range(times)]
    return [Judged(str(i), str(i), mine, other, 1) for i, (mine, other) in enumerate(rows)]


def test_kappa_of_a_table_from_a_textbook():
    # Agreement 0.7; by chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5; kappa (0.7 - 0.5) / 0.5 = 0.4
    told = pairs(("yes", "yes", 20), ("yes", "no", 5), ("no", "yes", 10), ("no", "no", 15))
    made = calibrate_pairs(told)
    assert made.n == 50
    assert made.verdicts == ("no", "yes")
    assert made.table == ((15, 10), (5, 20))
    assert made.agreement.value == pytest.approx(0.7)
    assert made.kappa.value == pytest.approx(0.4)
    assert made.kappa.low is not None
    assert made.kappa.high is not None
    assert made.kappa.low < 0.4 < made.kappa.high
    assert made.weighted_kappa.value is None
    assert made.bias.value is None


def test_weighted_kappa_and_bias_of_grades():
    # grades (0, 0), (0, 2), (2, 2), (1, 2): squared distances 0, 4, 0, 1, mean 1.25
    made = calibrate_pairs(pairs(("0", "0", 1), ("0", "2", 1), ("2", "2", 1), ("1", "2", 1)))
    # by chance: mine 0 0 1 2, other 0 2 2 2: mean of the 16 squared distances is 2
    expected = sum((a - b) ** 2 for a in (0, 0, 1, 2) for b in (0, 2, 2, 2)) / 16
    assert made.weighted_kappa.value == pytest.approx(1 - 1.25 / expected)
    assert made.bias.value == pytest.approx((0 - 2 + 0 - 1) / 4)
    assert made.agreement.value == 0.5


def test_a_judge_that_likes_length_has_a_slope():
    # a grade more for each 50 words: 2 grades a 100 words
    told = [Judged(str(i), str(i), str(i), "0", 50 * i) for i in range(6)]
    made = calibrate_pairs(told)
    assert made.bias_by_length.value == pytest.approx(2)
    assert made.bias.value == pytest.approx(2.5)
    same = [each._replace(words=10) for each in told]
    assert calibrate_pairs(same).bias_by_length.value is None


@settings(max_examples=20)
@given(st.lists(st.sampled_from("0123456"), min_size=2, max_size=30))
def test_a_judge_agrees_with_itself(grades: list[str]):
    made = calibrate_pairs([Judged(str(i), str(i), g, g, i) for i, g in enumerate(grades)])
    assert made.agreement.value == 1
    assert made.bias.value == 0
    if len(set(grades)) > 1:
        assert made.kappa.value == made.weighted_kappa.value == 1
    else:
        assert made.kappa.value is None


def score(item: str, said: str, answer: str = "a b", status: str = "scored") -> Score:
    values = {"grade": float(said)} if said.isdigit() else {}
    return Score.model_validate(
        {
            "key": item,
            "benchmark": "mmhal",
            "item": item,
            "image": item,
            "model": "m",
            "answer": answer,
            "extracted": (said,),
            "values": values,
            "status": status,
        }
    )


def test_scores_of_two_judges_are_paired_by_item_and_gaps_are_counted():
    mine = [score("0", "3"), score("1", "4"), score("2", "5"), score("3", "", status="unparsed")]
    other = [score("0", "3"), score("1", "2"), score("3", "1")]
    made = calibrate(mine, other)
    assert (made.n, made.left_out) == (2, 2)
    assert made.bias.value == 1
    assert calibrate(mine, other, column="grade") == made
    assert made.table == ((0, 0, 0), (0, 1, 0), (1, 0, 0))
    assert calibrate(mine[:1], other).left_out == 2
    with pytest.raises(UserError, match="different answers"):
        calibrate(mine, [score("0", "3", answer="other")])
    with pytest.raises(UserError, match="No item has a verdict"):
        calibrate(mine, [])
