"""Whether the usual object is named where it is missing."""

import numpy as np
import pytest

from groundtune.bench.item import Item, ItemAnswer
from groundtune.bench.world.captions import NAME, score_caption
from groundtune.bench.world.overgeneral import MOST_USUAL, overgeneralisation
from groundtune.records import Prompt, Score
from groundtune.world.captions import CLEAN, MACHINE, caption
from groundtune.world.catalogue import CONTEXTS
from groundtune.world.grammar import NounPhrase, phrase
from groundtune.world.scenes import Scene, scenes

MISSING = list(scenes("development", 120, stratum="missing"))
USUAL = list(scenes("development", 200))


def said(seen: Scene, text: str) -> Score:
    part = "" if seen.stratum == "usual" else f"/{seen.stratum}"
    prompt = Prompt(key="p", messages=())
    item = Item(key=seen.key, benchmark=f"{NAME}{part}", image=seen.key, prompt=prompt)
    return score_caption(seen, item, ItemAnswer(text=text, model="m"))


def probe(missing: list[Score], usual: list[Score]) -> dict[str, float]:
    return {made.metric: made.value for made in overgeneralisation(missing, usual)}


def names(seen: Scene, category: str) -> Score:
    return said(seen, f"There is {phrase(NounPhrase(category=category))}.")


def test_the_most_usual_category_of_a_context_has_its_largest_prior():
    assert MOST_USUAL["kitchen"] == "cup"
    assert MOST_USUAL["farm"] == "cow"
    assert set(MOST_USUAL) == set(CONTEXTS)


def test_one_who_always_names_what_is_usual_has_a_rate_and_a_delta_of_one():
    missing = [names(seen, MOST_USUAL[seen.context]) for seen in MISSING]
    usual = [said(seen, "It is bright.") for seen in USUAL]
    assert probe(missing, usual) == {"overgeneral_rate": 1, "overgeneral_delta": 1}


def test_one_who_names_the_same_things_everywhere_has_a_delta_near_zero():
    everything = ". ".join(
        f"There is {phrase(NounPhrase(category=c))}" for c in set(MOST_USUAL.values())
    )
    found = probe([said(s, everything) for s in MISSING], [said(s, everything) for s in USUAL])
    assert found == {"overgeneral_rate": 1, "overgeneral_delta": pytest.approx(0)}


def test_honest_and_machine_writers_are_told_apart():
    for habits, lower, upper in ((CLEAN, 0.0, 0.0), (MACHINE, 0.4, 0.95)):
        missing, usual = (
            [said(s, caption(s, np.random.default_rng(i), habits)) for i, s in enumerate(some)]
            for some in (MISSING, USUAL)
        )
        for made in overgeneralisation(missing, usual):
            assert lower <= made.value <= upper
            assert made.low <= made.value <= made.high
            assert made.benchmark == "world-captions/missing/greedy"
            assert made.n == len(MISSING)


def test_answers_without_words_are_left_out():
    assert overgeneralisation([said(s, "") for s in MISSING], [said(USUAL[0], "Dark.")]) == []
