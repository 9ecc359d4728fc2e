"""Degenerate answers are warned of, with figures; ordinary ones are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.bench.stats.behaviour import (
    Behaviour,
    behaviour,
    distinct_n,
    guard,
    guard_change,
    repeats_itself,
)
from groundtune.records import Score


def seen(answers: list[str], *, model: str = "m", cut: float | None = None) -> Behaviour:
    values = {} if cut is None else {"cut": cut}
    return behaviour(
        [
            Score(
                key=f"{model}{i}",
                benchmark="pope",
                item=str(i),
                image=str(i),
                model=model,
                answer=text,
                values=values,
            )
            for i, text in enumerate(answers)
        ]
    )


def names(answers: list[str]) -> list[str]:
    return [each.guard for each in guard(seen(answers))]


def test_ordinary_answers_give_no_warning():
    assert names(["Yes.", "No, there is none.", "yes", "No"] * 10) == []
    assert (
        names([f"A photograph of {i} cats on a chair beside a red table." for i in range(40)]) == []
    )


def test_one_answer_to_everything_is_warned_of_with_its_share():
    (constant, yes) = guard(seen(["Yes"] * 39 + ["No"]))
    assert (constant.guard, constant.value, yes.guard) == ("constant", 39 / 40, "yes")
    assert constant.text.startswith("97.5% of 40 answers are the same: 'yes'")
    assert (yes.value, yes.limit) == (39 / 40, 0.9)


def test_case_and_marks_do_not_hide_a_constant_answer():
    assert names(["Yes.", "yes", "YES!", "Yes,"] * 10) == ["constant", "yes"]


def test_nearly_all_no_is_warned_of():
    (warned,) = guard(seen(["No, not there."] * 30 + ["no"] * 8 + ["Yes"] * 2))
    assert (warned.guard, warned.value, warned.limit) == ("yes", 0.05, 0.1)


def test_empty_answers_refusals_and_truncated_ones_are_counted():
    answers = [f"A dog and {i} cats." for i in range(40)]
    assert names(["", *answers]) == ["empty"]
    refusals = ["I'm sorry, but I can't help with that.", "As an AI, I see nothing.", *answers]
    assert names(refusals) == ["refusals"]
    assert names(["I can see a sorry dog."] * 2 + answers) == []
    (warned,) = guard(seen(answers, cut=1.0))
    assert warned.text == "40 of 40 answers (100.0%) were truncated at the longest length."


def test_an_answer_that_goes_round_in_circles_is_warned_of():
    circle = "there is a cat on the chair and " * 8
    assert names([circle + str(i) for i in range(30)]) == ["repeating", "distinct_2"]


def test_few_answers_are_not_judged():
    assert guard(seen(["Yes"] * 19)) == []


def test_a_change_of_length_or_of_yes_is_reported():
    long = seen([f"A photograph of {i} cats on a red chair." for i in range(40)], model="base")
    short = seen([f"Here are {i} cats." for i in range(40)])
    (warned,) = guard_change(short, long)
    assert "shorter than those of base: 4.0 words instead of 9.0" in warned.text
    assert guard_change(long, long) == []
    yes = seen(["Yes", "No"] * 20)
    (shift,) = guard_change(seen(["Yes", "No", "No", "No"] * 10), yes)
    assert shift.text == "the share of yes went from 50.0% to 25.0%."


def test_no_scores_have_no_behaviour():
    with pytest.raises(ValueError, match="no scores"):
        behaviour([])


@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_distinct_n_is_a_share_and_falls_when_words_are_doubled(words: list[str]):
    share = distinct_n(words)
    assert 0 < share <= 1
    if len(words) > 1:
        assert distinct_n(words * 3) < share or share < 1


@given(st.lists(st.text("ab", min_size=1, max_size=2), min_size=1, max_size=8))
def test_what_is_said_five_times_over_repeats_itself(words: list[str]):
    assert repeats_itself((words * 5) if len(words) >= 4 else words * 20)
