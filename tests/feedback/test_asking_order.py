"""Answers of which a labeler is unsure come first, spread over images, and rates stay unbiased."""

import math
from statistics import fmean, stdev

import pytest

from groundtune.feedback.asking_order import (
    Doubt,
    doubt_of,
    drawn_priorities,
    sizes_of,
    weights_of,
)
from groundtune.records import Claim, ClaimStatus


def claim(p_wrong: float | None, text: str = "A dog.", status: ClaimStatus = "supported") -> Claim:
    known = p_wrong is not None
    return Claim(
        key="k",
        answer="a",
        start=0,
        end=1,
        text=text,
        status=status,
        p_yes=0.5 * (1 - p_wrong) if known else None,
        p_no=0.5 * p_wrong if known else None,
    )


def test_doubt_is_the_entropy_of_the_verdicts_in_bits():
    claims = [claim(0.5, "A Dog."), claim(0.25), claim(1.0), claim(None)]
    doubt = doubt_of(claims, "uncertain")
    quarter = -(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75))
    assert doubt.amount == pytest.approx(1 + quarter)
    assert doubt.claim == "a dog."
    assert doubt_of([claim(None), claim(0.5, status="opinion")], "uncertain") == Doubt(0.0, "")


def test_suspicion_is_how_many_claims_the_labeler_thinks_wrong():
    claims = [claim(0.5, "A Dog."), claim(0.25), claim(1.0, "A cat."), claim(None)]
    assert doubt_of(claims, "suspected") == Doubt(pytest.approx(1.75), "a cat.")


def test_a_second_answer_of_an_image_and_a_doubt_that_was_there_come_later():
    doubts = {
        "a": Doubt(1.0, "a dog."),
        "b": Doubt(0.9, "a cat."),
        "same image": Doubt(0.9, "a fox."),
        "same claim": Doubt(0.9, "a dog."),
        "sure": Doubt(0.0, ""),
    }
    groups = {"a": "1", "b": "2", "same image": "1", "same claim": "3", "sure": "4"}
    sizes = sizes_of(doubts, groups)
    assert sizes["a"] > sizes["b"] > sizes["same image"] == pytest.approx(sizes["same claim"])
    assert 0 < sizes["sure"] < sizes["same claim"]


def test_where_nothing_is_doubted_the_order_is_random():
    assert sizes_of(dict.fromkeys("ab", Doubt(0.0, "")), {"a": "1", "b": "1"}) == {"a": 1, "b": 1}


def test_a_rate_over_the_first_answers_is_unbiased_and_without_weights_it_is_not():
    """300 answers, wrong where the labeler is unsure; the 60 first of them are judged."""
    keys = [f"answer {number}" for number in range(300)]
    is_wrong = {key: number % 3 == 0 for number, key in enumerate(keys)}
    sizes = {key: 1.0 if is_wrong[key] else 0.3 for key in keys}
    weighted: list[float] = []
    plain: list[float] = []
    for seed in range(300):
        priorities = drawn_priorities(sizes, seed)
        order = sorted(keys, key=lambda key: -priorities[key])
        first, left = order[:60], order[60:]
        weights = weights_of([sizes[key] for key in first], priorities[left[0]])
        total = sum(w for w, key in zip(weights, first, strict=True) if is_wrong[key])
        weighted.append(total / len(keys))
        plain.append(fmean(is_wrong[key] for key in first))
    error = stdev(weighted) / math.sqrt(len(weighted))
    assert abs(fmean(weighted) - 1 / 3) < 4 * error
    assert fmean(plain) > 0.5


def test_all_answers_weigh_one_once_nothing_is_left():
    assert weights_of([0.1, 2.0], None) == [1.0, 1.0]
