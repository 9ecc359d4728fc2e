"""Calibration of a judge, on tables that can be computed by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundtune.bench.judge.calibrate import JudgedItem, calibrate, calibrate_pairs
from groundtune.errors import UserError
from groundtune.records import Score


def pairs(*counts: tuple[str, str, int]) -> list[JudgedItem]:
    """Items with one-word answers, from (verdict, reference, count)."""
    rows = [verdicts for *verdicts, count in counts for _ in range(count)]
    return [JudgedItem(str(i), str(i), *verdicts, 1) for i, verdicts in enumerate(rows)]


def test_kappa_of_a_table_from_a_textbook():
    # Agreement 0.7; by chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5; kappa (0.7 - 0.5) / 0.5 = 0.4
    items = pairs(("yes", "yes", 20), ("yes", "no", 5), ("no", "yes", 10), ("no", "no", 15))
    result = calibrate_pairs(items)
    assert result.n == 50
    assert result.verdicts == ("no", "yes")
    assert result.table == ((15, 10), (5, 20))
    assert result.agreement.value == pytest.approx(0.7)
    assert result.kappa.value == pytest.approx(0.4)
    assert result.kappa.low is not None
    assert result.kappa.high is not None
    assert result.kappa.low < 0.4 < result.kappa.high
    assert result.weighted_kappa.value is None
    assert result.bias.value is None


def test_weighted_kappa_and_bias_of_grades():
    # grades (0, 0), (0, 2), (2, 2), (1, 2): squared distances 0, 4, 0, 1, mean 1.25
    result = calibrate_pairs(pairs(("0", "0", 1), ("0", "2", 1), ("2", "2", 1), ("1", "2", 1)))
    # by chance: judge 0 0 1 2, reference 0 2 2 2: mean of the 16 squared distances is 2
    expected = sum((a - b) ** 2 for a in (0, 0, 1, 2) for b in (0, 2, 2, 2)) / 16
    assert result.weighted_kappa.value == pytest.approx(1 - 1.25 / expected)
    assert result.bias.value == pytest.approx((0 - 2 + 0 - 1) / 4)
    assert result.agreement.value == 0.5


def test_a_judge_that_likes_length_has_a_slope():
    # one grade more per 50 words: 2 grades per 100 words
    items = [JudgedItem(str(i), str(i), str(i), "0", 50 * i) for i in range(6)]
    result = calibrate_pairs(items)
    assert result.bias_by_length.value == pytest.approx(2)
    assert result.bias.value == pytest.approx(2.5)
    equal_lengths = [item._replace(words=10) for item in items]
    assert calibrate_pairs(equal_lengths).bias_by_length.value is None


@settings(max_examples=20)
@given(st.lists(st.sampled_from("0123456"), min_size=2, max_size=30))
def test_a_judge_agrees_with_itself(grades: list[str]):
    result = calibrate_pairs([JudgedItem(str(i), str(i), g, g, i) for i, g in enumerate(grades)])
    assert result.agreement.value == 1
    assert result.bias.value == 0
    if len(set(grades)) > 1:
        assert result.kappa.value == result.weighted_kappa.value == 1
    else:
        assert result.kappa.value is None


def score(item: str, extracted: str, answer: str = "a b", status: str = "scored") -> Score:
    values = {"grade": float(extracted)} if extracted.isdigit() else {}
    return Score.model_validate(
        {
            "key": item,
            "benchmark": "mmhal",
            "item": item,
            "image": item,
            "model": "m",
            "answer": answer,
            "extracted": (extracted,),
            "values": values,
            "status": status,
        }
    )


def test_scores_of_two_judges_are_paired_by_item_and_gaps_are_counted():
    judge_scores = [
        score("0", "3"),
        score("1", "4"),
        score("2", "5"),
        score("3", "", status="unparsed"),
    ]
    reference_scores = [score("0", "3"), score("1", "2"), score("3", "1")]
    result = calibrate(judge_scores, reference_scores)
    assert (result.n, result.left_out) == (2, 2)
    assert result.bias.value == 1
    assert calibrate(judge_scores, reference_scores, column="grade") == result
    assert result.table == ((0, 0, 0), (0, 1, 0), (1, 0, 0))
    assert calibrate(judge_scores[:1], reference_scores).left_out == 2
    with pytest.raises(UserError, match="different answers"):
        calibrate(judge_scores, [score("0", "3", answer="other")])
    with pytest.raises(UserError, match="No item has a verdict"):
        calibrate(judge_scores, [])
