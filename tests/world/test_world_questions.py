"""Questions: their answers, worked out again from the scene and the question's words alone."""

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.world.catalogue import CATEGORIES, CELLS, CONTEXTS, NUMBERS
from groundtune.world.questions import (
    ASKERS,
    EXISTENCE,
    HELD_OUT_EXISTENCE,
    Negative,
    Question,
    as_turn,
    ask,
    ask_existence,
    existence,
    facts,
    negatives,
)
from groundtune.world.read import read
from groundtune.world.scenes import Scene, Stratum, prior, scene, scenes
from groundtune.world.truth import findings
from prose import faults

STRATA: st.SearchStrategy[Stratum] = st.sampled_from(["usual", "missing", "replaced"])
SCENES = st.builds(scene, st.just("development"), st.integers(0, 10**6), STRATA)
SEEDS = st.integers(0, 2**32)
SAMPLINGS: tuple[Negative, ...] = ("random", "popular", "adversarial")


def one(text: str) -> str:
    """The only category that a text names."""
    (found,) = {mention.category for mention in read(text).mentions}
    return found


def number(found: Scene, category: str) -> int:
    return sum(thing.number for thing in found.things if thing.category == category)


def yes(truth: bool) -> str:
    return "yes" if truth else "no"


def attribute(found: Scene, text: str) -> str:
    """The answer to "Are there exactly two cups?", "Is the cup red?", "Is the cup on the left?"."""
    # "Is the cup orange?" names a colour last, "Is there exactly one orange?" a category
    named = text if "exactly" in text else text.replace("orange?", "?")
    thing = found.thing(one(named))
    assert thing is not None
    if "exactly" in text:
        word = re.search(r"exactly (?:a pair|a head|(\w+))", text)
        assert word is not None
        return yes(NUMBERS.index(word[1]) == thing.number)
    place = next((i for i, name in enumerate(CELLS) if text.endswith(f"{name}?")), None)
    if place is not None:
        return yes(place in thing.cells)
    return yes(text.rstrip("?").split()[-1] == thing.colour)


def comparison(found: Scene, text: str) -> str:
    first, second = re.findall(r"more (.*) than (.*)\?", text)[0]
    return yes(number(found, one(first)) > number(found, one(second)))


def choice(found: Scene, text: str) -> str:
    options = dict(re.findall(r"\(([ABC])\) ([^(]+?)(?= \(|$)", text))
    right = [letter for letter, option in options.items() if number(found, one(option))]
    assert len(options) == 3
    (only,) = right
    return f"({only.lower()})"


def content(found: Scene, text: str) -> str:
    cell = next(i for i, name in enumerate(CELLS) if text.endswith(f" {name}?"))
    thing = next((thing for thing in found.things if cell in thing.cells), None)
    return "nothing" if thing is None else f"{thing.colour} {thing.category}".strip()


def environment(found: Scene, text: str) -> str:
    return found.background if "colo" in text else CONTEXTS[found.context].phrase


def expected(found: Scene, question: Question) -> str:
    text = question.text
    if question.kind == "existence":
        return yes(one(text) in found.categories)
    if question.kind == "number":
        return NUMBERS[number(found, one(text))]
    if question.kind in ("colour", "place"):
        thing = found.thing(one(text))
        assert thing is not None
        return thing.colour if question.kind == "colour" else CELLS[thing.cells[0]]
    rules = {
        "content": content,
        "environment": environment,
        "comparison": comparison,
        "choice": choice,
        "attribute": attribute,
    }
    return rules[question.kind](found, text)


@given(SCENES, SEEDS)
def test_every_answer_is_true_of_its_scene(found: Scene, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(8):
        question = ask(found, rng)
        told = question.answer
        if question.kind == "content" and told != "nothing":
            told = re.sub(r"^an? (?:pair of |head of )?", "", told)
        assert told == expected(found, question), question


@given(SCENES, SEEDS)
def test_long_answers_say_nothing_wrong_and_are_good_english(found: Scene, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(8):
        question = ask(found, rng)
        if question.kind not in ("comparison", "attribute", "choice", "content"):
            wrong = findings(found, question.long)
            if question.kind == "existence":  # "Yes, there is a cup" denies no second one
                wrong = [finding for finding in wrong if finding.kind != "number"]
            assert wrong == [], question
        if question.kind != "choice":
            assert faults(question.long) == [], question
        assert not set(faults(question.text)) - {"stops in a row"}, question


@given(SCENES, SEEDS, st.sampled_from(SAMPLINGS), st.integers(1, 6))
def test_negatives_are_never_there(found: Scene, seed: int, kind: Negative, count: int) -> None:
    drawn = negatives(found, np.random.default_rng(seed), kind, count)
    assert len(drawn) == len(set(drawn)) == count
    assert set(drawn) <= set(CATEGORIES) - found.categories


@given(SCENES)
def test_adversarial_negatives_are_the_contexts_own(found: Scene) -> None:
    drawn = negatives(found, np.random.default_rng(0), "adversarial", 3)
    chances = [prior(found.context, name) for name in drawn]
    assert chances == sorted(chances, reverse=True)
    rest = set(CONTEXTS[found.context].prior) - found.categories - set(drawn)
    assert all(prior(found.context, name) <= chances[-1] for name in rest)


def test_popular_negatives_are_those_that_most_scenes_hold() -> None:
    seen = Counter(name for found in scenes("train", 2000) for name in found.categories)
    frequent = {name for name, _ in seen.most_common(12)}
    for found in scenes("development", 20):
        drawn = negatives(found, np.random.default_rng(0), "popular", 3)
        assert set(drawn) <= frequent


def test_random_negatives_are_drawn_from_all() -> None:
    drawn = {
        name
        for found in scenes("development", 200)
        for name in negatives(found, np.random.default_rng(found.seed), "random", 6)
    }
    assert drawn == set(CATEGORIES)


def test_existence_questions_are_balanced_and_lean_on_the_prior_where_the_answer_is_no() -> None:
    rng = np.random.default_rng(1)
    asked = [(found, ask_existence(found, rng)) for found in scenes("development", 1500)]
    no = [prior(found.context, q.about) > 0 for found, q in asked if q.answer == "no"]
    assert len(no) / 1500 == pytest.approx(0.5, abs=0.04)
    assert 0.5 < np.mean(no) < 0.8


def test_every_kind_is_asked_at_about_its_share() -> None:
    rng = np.random.default_rng(2)
    kinds = Counter(ask(found, rng).kind for found in scenes("development", 1200) for _ in range(2))
    assert sum(share for share, _ in ASKERS) == pytest.approx(1)
    assert len(kinds) == len(ASKERS)
    assert kinds["number"] / 2400 == pytest.approx(0.16, abs=0.03)
    assert kinds["existence"] / 2400 == pytest.approx(0.41, abs=0.04)


@pytest.mark.parametrize("template", [*EXISTENCE, *HELD_OUT_EXISTENCE])
@pytest.mark.parametrize("name", ["apple", "skis", "cup", "broccoli"])
def test_an_existence_question_names_its_category_with_an_article(template: str, name: str) -> None:
    asked = existence(name, False, template)
    assert one(asked.text) == name
    assert faults(asked.text) == []
    assert asked.answer == "no"
    assert read(asked.long).mentions[0].negated


def test_the_held_out_questions_are_new() -> None:
    assert set(EXISTENCE).isdisjoint(HELD_OUT_EXISTENCE)


@given(SCENES, SEEDS)
def test_spoken_answers_are_the_short_or_the_long_one(found: Scene, seed: int) -> None:
    rng = np.random.default_rng(seed)
    question = ask(found, rng)
    text, answer = as_turn(question, rng)
    assert text in (question.text, question.text + " Answer yes or no.")
    assert answer == question.long or answer.lower() == question.answer + "."
    if text.endswith("Answer yes or no."):
        assert answer in ("Yes.", "No.")


@given(SCENES)
def test_facts_are_true_and_name_everything(found: Scene) -> None:
    lines = facts(found)
    assert findings(found, " ".join(lines)) == []
    named = {mention.category for line in lines for mention in read(line).mentions}
    assert named == found.categories
    assert len(lines) == 2 + len(found.things)
    assert all(faults(line) == [] for line in lines)
