"""Rules that correct, extend and reword texts about scenes, by verified statements."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from groundtune.protocols import Draft, Statement
from groundtune.records import ImagePart, Message, Prompt, TextPart
from groundtune.world.captions import MACHINE, VOICES, Voice, caption
from groundtune.world.claim_truth import holds
from groundtune.world.claims import statements
from groundtune.world.editor import WorldEditor
from groundtune.world.oracle import fact_of_question
from groundtune.world.rewording import content_of, reword
from groundtune.world.scenes import Scene, scene
from prose import faults

SCENES = st.builds(scene, st.just("development"), st.integers(0, 10**6))
SEEDS = st.integers(0, 2**32)
CONTENT = (ImagePart(image="a"), TextPart(text="Describe the image."))
PROMPT = Prompt(key="p", messages=(Message(role="user", content=CONTENT),))
EDITOR = WorldEditor()


def so(shown: Scene, statement: Statement) -> bool | None:
    fact = fact_of_question(statement.question)
    return None if fact is None else holds(shown, fact)


def wrong_in(shown: Scene, text: str) -> tuple[Statement, ...]:
    said = statements(text, setting=False)
    return tuple(each for each in said if each.question and so(shown, each) is False)


@given(SCENES, SEEDS, st.sampled_from(VOICES))
def test_what_the_truth_rejects_is_gone_from_a_corrected_text(
    shown: Scene, seed: int, voice: Voice
) -> None:
    text = caption(shown, np.random.default_rng(seed), MACHINE, voice)
    draft = Draft(PROMPT, text, wrong_in(shown, text))
    facts = tuple(each for each in EDITOR.alternatives([draft])[0] if so(shown, each))
    corrected = EDITOR.correct([draft._replace(facts=facts)])[0]
    assert wrong_in(shown, corrected) == ()
    if not draft.wrong:
        assert corrected == text


@given(SCENES, SEEDS, st.sampled_from(VOICES))
def test_without_verified_alternatives_what_is_wrong_goes_and_nothing_comes_in(
    shown: Scene, seed: int, voice: Voice
) -> None:
    text = caption(shown, np.random.default_rng(seed), MACHINE, voice)
    corrected = EDITOR.correct([Draft(PROMPT, text, wrong_in(shown, text))])[0]
    assert wrong_in(shown, corrected) == ()
    there = {item.category for item in content_of(text).items}
    assert {item.category for item in content_of(corrected).items} <= there


@given(SCENES, SEEDS, st.sampled_from(VOICES))
def test_an_extended_text_names_what_was_verified_and_nothing_else(
    shown: Scene, seed: int, voice: Voice
) -> None:
    text = caption(shown, np.random.default_rng(seed), MACHINE, voice)
    proposed = EDITOR.additions([Draft(PROMPT, text)])[0]
    facts = tuple(each for each in proposed if so(shown, each))
    assume(facts)
    extended = EDITOR.extend([Draft(PROMPT, text, facts=facts)])[0]
    before = {item.category for item in content_of(text).items}
    added = {item.category for item in content_of(extended).items} - before
    assert added <= shown.categories
    assert len(wrong_in(shown, extended)) == len(wrong_in(shown, text))


def test_without_facts_nothing_is_added() -> None:
    text = "This is a kitchen with a white wall. There is a cup."
    assert EDITOR.extend([Draft(PROMPT, text)]) == [text]


@given(SCENES, SEEDS, SEEDS, st.sampled_from(VOICES))
def test_a_reworded_text_states_the_same_in_clean_prose(
    shown: Scene, seed: int, other: int, voice: Voice
) -> None:
    text = caption(shown, np.random.default_rng(seed), MACHINE, voice)
    told = reword(text, other)
    same = content_of(told)
    assert (same.context, same.background) == (
        content_of(text).context,
        content_of(text).background,
    )
    assert {item.category: item for item in same.items} == {
        item.category: item for item in content_of(text).items
    }
    assert faults(told) == []


def test_both_sides_of_a_prompt_are_told_in_one_voice() -> None:
    first = "This is a kitchen with a white wall. There is a cup and a fork."
    second = "A photo of a kitchen with a white wall. It contains a cup."
    drafts = [Draft(PROMPT, first), Draft(PROMPT, second)]
    texts = {tuple(EDITOR.reword(drafts, index)) for index in range(6)}
    assert len(texts) > 1
    assert all(one.split(".")[0] == two.split(".")[0] for one, two in texts)


def test_a_text_that_states_nothing_is_reworded_to_nothing() -> None:
    assert reword("Hello world", 0) == ""
