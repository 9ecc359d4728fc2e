"""Captions: truthful ones say nothing wrong in any voice, bad habits follow the prior."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.world.captions import (
    CLEAN,
    EVALUATION_INSTRUCTIONS,
    MACHINE,
    TRAIN_INSTRUCTIONS,
    UNSEEN_VOICE,
    VOICES,
    Habits,
    Voice,
    caption,
    invention_chance,
    typical_colour,
)
from groundtune.world.catalogue import CATEGORIES, COLOURS, CONTEXTS
from groundtune.world.grammar import sentences
from groundtune.world.read import read
from groundtune.world.scenes import Scene, Stratum, prior, scene, scenes
from groundtune.world.truth import findings
from prose import faults

STRATA: st.SearchStrategy[Stratum] = st.sampled_from(["usual", "missing", "replaced"])
SCENES = st.builds(scene, st.just("development"), st.integers(0, 10**6), STRATA)
SEEDS = st.integers(0, 2**32)
VOICES_AND_HELD_OUT = st.sampled_from([*VOICES, UNSEEN_VOICE])
COMPLETE = CLEAN.model_copy(update={"omit": 0})


def only(**habits: float) -> Habits:
    """A writer with one bad habit."""
    return CLEAN.model_copy(update={"omit": 0, **habits})


def texts(habits: Habits, number: int) -> list[tuple[Scene, str]]:
    rng = np.random.default_rng(3)
    return [(found, caption(found, rng, habits)) for found in scenes("development", number)]


@given(SCENES, SEEDS, VOICES_AND_HELD_OUT)
def test_a_truthful_caption_says_nothing_wrong(found: Scene, seed: int, voice: Voice) -> None:
    text = caption(found, np.random.default_rng(seed), CLEAN, voice)
    assert findings(found, text) == []
    assert faults(text) == []


@given(SCENES, SEEDS, VOICES_AND_HELD_OUT)
def test_a_complete_caption_is_read_back_whole(found: Scene, seed: int, voice: Voice) -> None:
    reading = read(caption(found, np.random.default_rng(seed), COMPLETE, voice))
    assert {mention.category for mention in reading.asserted_mentions} == found.categories
    assert len(reading.asserted_mentions) == len(reading.mentions)
    told = {mention.category: mention.number for mention in reading.mentions if mention.number}
    assert told == {thing.category: thing.number for thing in found.things}


@given(SCENES, SEEDS)
def test_a_caption_has_one_to_five_sentences_of_good_english(found: Scene, seed: int) -> None:
    text = caption(found, np.random.default_rng(seed), MACHINE)
    assert 1 <= len(sentences(text)) <= 5
    assert faults(text) == []


@given(SCENES, SEEDS)
def test_a_caption_is_decided_by_scene_and_seed(found: Scene, seed: int) -> None:
    first, second = (caption(found, np.random.default_rng(seed), MACHINE) for _ in range(2))
    assert first == second


def test_the_voices_and_instructions_that_are_held_out_are_new() -> None:
    taught = {template for voice in VOICES for part in voice for template in part}
    held_out = {template for part in UNSEEN_VOICE for template in part}
    assert taught.isdisjoint(held_out)
    assert set(TRAIN_INSTRUCTIONS).isdisjoint(EVALUATION_INSTRUCTIONS)
    assert (len(set(TRAIN_INSTRUCTIONS)), len(set(EVALUATION_INSTRUCTIONS))) == (16, 8)


def test_a_machine_writer_invents_what_its_context_suggests_and_the_more_so_the_more_usual() -> (
    None
):
    chances: dict[float, list[bool]] = defaultdict(list)
    at_home: list[bool] = []
    for found, text in texts(MACHINE, 2500):
        invented = {m.category for m in read(text).mentions} - found.categories
        at_home += [prior(found.context, name) > 0 for name in invented]
        for name, chance in CONTEXTS[found.context].prior.items():
            if name not in found.categories:
                chances[chance].append(name in invented)
    assert np.mean(at_home) >= 0.7
    assert 0.2 < len(at_home) / 2500 < 2
    often = [chance for chance, told in chances.items() if len(told) >= 60]
    rates = [np.mean(chances[chance]) for chance in often]
    assert len(often) >= 8
    assert np.corrcoef(often, rates)[0, 1] > 0.9
    assert np.mean(chances[0.1]) < 0.15 < 0.4 < np.mean(chances[0.55])


def test_the_chance_of_an_invention_rises_with_the_prior_and_stays_a_chance() -> None:
    chances = [invention_chance(p) for p in np.linspace(0, 1, 50)]
    assert chances == sorted(chances)
    assert chances[0] == 0
    assert chances[-1] == 0.92


@pytest.mark.parametrize(
    "text",
    [
        "There are a dog.",
        "There is also two cups.",
        "There is an dog.",
        "There is a orange.",
        "It shows a dog,and a cat.",
        "It shows a dog and and a cat.",
        "It shows a dog, .",
        "It shows a dog. there is a cat.",
        "It shows  a dog.",
        "It shows a the dog.",
        "Two dog are here.",
        "It shows A dog.",
        "Visible: and a cat.",
        " It shows a dog.",
    ],
)
def test_the_check_of_english_sees_faults(text: str) -> None:
    assert faults(text) != []


def kinds(habits: Habits) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for found, text in texts(habits, 400):
        for finding in findings(found, text):
            counts[finding.kind] += 1
    return dict(counts)


@pytest.mark.parametrize(
    ("habit", "rate", "kind"),
    [
        ("invent", 1.0, "object"),
        ("elsewhere", 0.5, "object"),
        ("round_number", 0.5, "number"),
        ("typical_colour", 0.5, "attribute"),
        ("wrong_background", 0.5, "attribute"),
        ("mirror_place", 0.5, "position"),
    ],
)
def test_each_bad_habit_gives_its_own_kind_of_mistake(habit: str, rate: float, kind: str) -> None:
    counts = kinds(only(**{habit: rate}))
    # an invented thing that is placed is wrong in its mentions, not in its place
    assert set(counts) == {kind}
    assert counts[kind] > 20


def test_numbers_are_only_ever_rounded_down_from_three_or_more() -> None:
    for found, text in texts(only(round_number=1.0), 400):
        for mention in read(text).mentions:
            thing = found.thing(mention.category)
            assert thing is not None
            if mention.number is not None:
                expected = thing.number - 1 if thing.number >= 3 else thing.number
                assert mention.number == expected


def test_every_tintable_category_has_a_typical_colour() -> None:
    typical = {n: typical_colour(n) for n, entry in CATEGORIES.items() if entry.tintable}
    assert set(typical.values()) == set(COLOURS)


def test_an_omitting_writer_still_says_something() -> None:
    for found, text in texts(CLEAN.model_copy(update={"omit": 1.0}), 50):
        assert {m.category for m in read(text).asserted_mentions} == {found.things[0].category}
