"""Length balancing of pairs, over the corpus and one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.feedback.balance import (
    balance_corpus,
    balance_each,
    mean_words,
    shorter_by,
    trim_excess,
)
from groundtune.records import Pair


def pair(chosen: int, rejected: int, key: str = "") -> Pair:
    """A pair of texts of so many words."""
    return Pair(
        key=key or f"{chosen}-{rejected}",
        prompt="p",
        chosen=" ".join(["c"] * chosen),
        rejected=" ".join(["r"] * rejected),
        origin="claims",
    )


def test_the_corpus_limit_is_the_one_that_brings_the_means_closest():
    short, longer, equal = pair(5, 10), pair(12, 10), pair(8, 10)
    # 0 to 0.18 keep the longer alone: 12 against 10. From 0.2 on also 8: 10 against 10.
    # From 0.5 on all: 25/3 against 10.
    balanced = balance_corpus([short, longer, equal])
    assert balanced.pairs == [longer, equal]
    assert balanced.limit == 0.2


def test_a_longer_chosen_answer_always_stays_in_the_corpus():
    assert balance_corpus([pair(50, 10), pair(1, 10)]).pairs == [pair(50, 10), pair(1, 10)]
    assert balance_corpus([pair(50, 10)]).pairs == [pair(50, 10)]
    assert balance_corpus([]).pairs == []


def test_a_corpus_of_which_every_chosen_answer_is_much_shorter_stays_as_it_is():
    pairs = [pair(1, 100, "a"), pair(1, 100, "b")]
    assert balance_corpus(pairs).pairs == pairs


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=20))
def test_no_published_limit_does_better(lengths: list[tuple[int, int]]):
    pairs = [pair(c, r, str(i)) for i, (c, r) in enumerate(lengths)]

    def gap(kept: list[Pair]) -> float:
        chosen, rejected = mean_words(kept)
        return abs(chosen - rejected) / rejected

    best = gap(balance_corpus(pairs).pairs)
    for limit in (step * 0.02 for step in range(50)):
        if kept := [each for each in pairs if shorter_by(each) <= limit]:
            assert best <= gap(kept) + 1e-9


@pytest.mark.parametrize(
    ("chosen", "rejected", "stays"), [(75, 100, 1), (74, 100, 0), (100, 74, 0)]
)
def test_each_pairs_limit_holds_both_ways(chosen: int, rejected: int, stays: int):
    assert len(balance_each([pair(chosen, rejected)], 0.25)) == stays


def test_the_longest_excess_goes_until_half_a_word_is_left_on_average():
    pairs = [pair(10, 10, "a"), pair(14, 10, "b"), pair(11, 10, "c"), pair(10, 11, "d")]
    # excess 0, 4, 1, -1: mean 1; without b 0
    assert trim_excess(pairs) == [pairs[0], pairs[2], pairs[3]]
    assert trim_excess(pairs, max_mean_excess=1.0) == pairs
    assert trim_excess([pair(20, 10)]) == []
