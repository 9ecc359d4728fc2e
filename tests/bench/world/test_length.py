"""Comparisons at equal length."""

import numpy as np
import pytest

from groundtune.bench.item import Item, ItemAnswer
from groundtune.bench.world.captions import NAME, score_caption
from groundtune.bench.world.length import adjusted_difference, equal_length, truncate_equally
from groundtune.errors import UserError
from groundtune.records import Prompt, Score
from groundtune.world.captions import MACHINE, caption
from groundtune.world.catalogue import CATEGORIES
from groundtune.world.scenes import scene


def said(index: int, text: str, model: str = "m") -> Score:
    key = f"development/{index}"
    item = Item(key=key, benchmark=NAME, image=key, prompt=Prompt(key="p", messages=()))
    return score_caption(scene("development", index), item, ItemAnswer(text=text, model=model))


def absent(index: int) -> str:
    there = scene("development", index).categories
    return next(name for name in CATEGORIES if name not in there)


def test_both_captions_are_truncated_to_as_many_whole_sentences():
    ours, theirs = truncate_equally(
        said(0, "First one. Second one! Third"), said(0, "Alone here. And again?  ", "n")
    )
    assert (ours.answer, theirs.answer) == ("First one. Second one!", "Alone here. And again?")
    assert ours.values["sentences"] == theirs.values["sentences"] == 2


def test_what_only_the_longer_one_had_time_to_say_is_not_held_against_it():
    long = [said(i, f"It is bright. There is a {absent(i)}.") for i in range(20)]
    short = [said(i, "It is bright.", "short") for i in range(20)]
    made = equal_length(short, long)
    change = next(d for d in made.differences if d.metric == "chair_sentence")
    assert change.value == 0
    assert change.benchmark == "world-captions/greedy/cut"
    assert {e.model: e.value for e in made.estimates if e.metric == "sentences"} == {
        "short": 1,
        "m": 1,
    }
    assert made.items == 20


def test_what_is_invented_within_the_common_length_still_counts():
    wrong = [said(i, f"There is a {absent(i)}. More.") for i in range(20)]
    right = [said(i, "It is bright.", "right") for i in range(20)]
    change = next(d for d in equal_length(right, wrong).differences if d.metric == "chair_sentence")
    assert change.value == -1


def test_an_equal_length_leaves_no_caption_as_it_was_shorter_than_the_other():
    ours = [said(i, caption(scene("development", i), np.random.default_rng(i))) for i in range(30)]
    theirs = [
        said(i, caption(scene("development", i), np.random.default_rng(i + 99), MACHINE), "n")
        for i in range(30)
    ]
    for a, b in zip(ours, theirs, strict=True):
        first, second = truncate_equally(a, b)
        assert first.values["sentences"] == second.values["sentences"]
        assert a.answer.startswith(first.answer)
        assert b.answer.startswith(second.answer)


def row(index: int, words: float, invented: float, model: str) -> Score:
    return said(index, "It is bright.", model).model_copy(
        update={"values": {"words": words, "invented": invented, "wrong": invented}}
    )


def test_the_adjusted_difference_is_the_regressions_intercept():
    rng = np.random.default_rng(0)
    pairs = []
    for i in range(200):
        w = float(rng.integers(-10, 4))
        pairs.append((row(i, 20 + w, 0.5 - 0.2 + 0.03 * w, "n"), row(i, 20, 0.5, "m")))
    made = adjusted_difference(pairs, "invented", "b")
    assert made.value == pytest.approx(-0.2)
    assert (made.low, made.high) == (pytest.approx(-0.2), pytest.approx(-0.2))
    assert made.metric == "chair_sentence_adjusted"


def test_noise_widens_the_adjusted_difference_around_the_truth():
    rng = np.random.default_rng(1)
    pairs = []
    for i in range(400):
        w = float(rng.normal(-5, 3))
        d = -0.2 + 0.03 * w + float(rng.normal(0, 0.4))
        pairs.append((row(i, 20 + w, d, "n"), row(i, 20, 0, "m")))
    made = adjusted_difference(pairs, "invented", "b")
    assert made.low < -0.2 < made.high
    assert 0.05 < made.high - made.low < 0.4


def test_with_all_lengths_alike_the_adjusted_difference_is_the_mean():
    pairs = [(row(i, 20, i % 2, "n"), row(i, 21, 1, "m")) for i in range(10)]
    assert adjusted_difference(pairs, "invented", "b").value == pytest.approx(-0.5)


def test_models_that_answered_other_items_are_not_compared():
    with pytest.raises(UserError, match="not answered the same items"):
        equal_length([said(0, "It is bright.")], [said(1, "It is bright.", "n")])


def test_an_answer_without_words_is_left_out_of_both():
    ours = [said(0, ""), said(1, "It is bright.")]
    theirs = [said(0, "It is dark.", "n"), said(1, "It is dark.", "n")]
    assert equal_length(ours, theirs).items == 1
