"""Edits of captions: any set of mentions can go or change, and the rest reads as it did."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.world.captions import MACHINE, UNSEEN_VOICE, VOICES, Voice, caption
from groundtune.world.catalogue import CATEGORIES
from groundtune.world.edits import Change, apply, edits
from groundtune.world.grammar import NounPhrase, bare, phrase
from groundtune.world.read import Mention, read
from groundtune.world.scenes import Scene, scene
from prose import faults

SCENES = st.builds(scene, st.just("development"), st.integers(0, 10**6))
SEEDS = st.integers(0, 2**32)
VOICES_AND_HELD_OUT = st.sampled_from([*VOICES, UNSEEN_VOICE])


def change(text: str, **changes: tuple[str | None, int]) -> str:
    """The text after changes of categories: dog=("two cats", 2), dog=(None, 1)."""
    mentions = read(text).mentions
    wanted = {
        i: Change(phrase=changes[mention.category][0], number=changes[mention.category][1])
        for i, mention in enumerate(mentions)
        if mention.category in changes
    }
    return apply(text, edits(text, mentions, wanted))


GONE = (None, 1)


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        ("It shows a dog, a cat and two cups.", {"dog": GONE}, "It shows a cat and two cups."),
        ("It shows a dog, a cat and two cups.", {"cat": GONE}, "It shows a dog and two cups."),
        ("It shows a dog, a cat and two cups.", {"cup": GONE}, "It shows a dog and a cat."),
        ("It shows a dog and a cat.", {"dog": GONE}, "It shows a cat."),
        ("It shows a dog and a cat.", {"cat": GONE}, "It shows a dog."),
        ("A park. It shows a dog.", {"dog": GONE}, "A park."),
        ("It shows a dog. A park.", {"dog": GONE}, "A park."),
        ("A park. It shows a dog. It is nice.", {"dog": GONE}, "A park. It is nice."),
        ("It shows a dog.", {"dog": GONE}, ""),
        ("A dog. A cat. A park.", {"dog": GONE, "cat": GONE}, "A park."),
        ("There is a dog and two cups.", {"dog": GONE}, "There are two cups."),
        ("There are two cups and a dog.", {"cup": GONE}, "There is a dog."),
        ("There is also a dog.", {"dog": ("two cats", 2)}, "There are also two cats."),
        ("There are two cups.", {"cup": ("an orange cup", 1)}, "There is an orange cup."),
        ("A dog and a cat make up the scene.", {"dog": GONE}, "A cat make up the scene."),
        ("A dog can be seen as well.", {"dog": ("an apple", 1)}, "An apple can be seen as well."),
        ("On the left is the dog.", {"dog": ("the cat", 1)}, "On the left is the cat."),
        (
            "It shows a red cup and a dog.",
            {"cup": ("a blue cup", 1)},
            "It shows a blue cup and a dog.",
        ),
        (
            "It shows a dog, a cat and two cups.",
            {"dog": ("an apple", 1), "cat": GONE},
            "It shows an apple and two cups.",
        ),
    ],
)
def test_an_edited_sentence_is_what_a_person_would_write(
    text: str, changes: dict[str, tuple[str | None, int]], expected: str
) -> None:
    assert change(text, **changes) == expected


def test_an_edit_touches_only_the_words_that_change() -> None:
    text = "It shows two red cups and a dog."
    mentions = read(text).mentions
    (made,) = edits(text, mentions, {0: Change(phrase="two blue cups", number=2)})
    assert text[made.start : made.end] == "red"
    assert made.text == "blue"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("an orange", "an orange apple"),
        ("an orange apple", "an orange"),
        ("two cups", "two red cups"),
        ("two red cups", "two cups"),
    ],
)
def test_words_that_only_come_or_go_take_one_space_with_them(old: str, new: str) -> None:
    text = f"There is also {old}."
    made = edits(text, read(text).mentions, {0: Change(phrase=new, number=1)})
    assert apply(text, made).split(" ")[3:] == f"{new}.".split(" ")


def test_no_changes_make_no_edits() -> None:
    text = "It shows two red cups and a dog."
    same = Change(phrase="two red cups", number=2)
    assert edits(text, read(text).mentions, {}) == []
    assert edits(text, read(text).mentions, {0: same}) == []


def told(mention: Mention) -> tuple[str, int | None, str]:
    colour = mention.colour_mark.value if mention.colour_mark else ""
    return (mention.category, mention.number, colour)


def replacement(mention: Mention, said: NounPhrase) -> Change:
    """A change of a mention that fits where it stands."""
    if mention.definite:
        known = NounPhrase(category=said.category)
        return Change(phrase=f"the {bare(known)}")
    return Change(phrase=phrase(said), number=said.number)


SAID = st.builds(
    lambda name, number, colour: NounPhrase(
        category=name, number=number, colour=colour if CATEGORIES[name].tintable else ""
    ),
    st.sampled_from(list(CATEGORIES)),
    st.integers(1, 4),
    st.sampled_from(["", "red", "orange", "blue"]),
)


@given(SCENES, SEEDS, VOICES_AND_HELD_OUT, st.data())
def test_any_mentions_can_be_deleted_or_replaced_and_the_rest_reads_as_it_did(
    found: Scene, seed: int, voice: Voice, data: st.DataObject
) -> None:
    text = caption(found, np.random.default_rng(seed), MACHINE, voice)
    mentions = read(text).mentions
    changes: dict[int, Change] = {}
    expected: list[tuple[str, int | None, str]] = []
    for i, mention in enumerate(mentions):
        fate = data.draw(st.sampled_from(["kept", "deleted", "replaced"]))
        if fate == "deleted":
            changes[i] = Change(phrase=None)
        elif fate == "replaced":
            said = data.draw(SAID)
            changes[i] = replacement(mention, said)
            new = (
                (said.category, None, "")
                if mention.definite
                else (said.category, said.number, said.colour)
            )
            expected.append(new)
        else:
            expected.append(told(mention))
    edited = apply(text, edits(text, mentions, changes))
    assert [told(mention) for mention in read(edited).mentions] == expected
    assert faults(edited) == []


@given(SCENES, SEEDS, st.data())
def test_edits_come_in_order_and_do_not_overlap(
    found: Scene, seed: int, data: st.DataObject
) -> None:
    text = caption(found, np.random.default_rng(seed), MACHINE)
    mentions = read(text).mentions
    chosen = data.draw(st.sets(st.integers(0, len(mentions) - 1)))
    made = edits(text, mentions, {i: Change(phrase=None) for i in chosen})
    ordered = sorted(made, key=lambda edit: (edit.start, edit.end))
    for first, second in pairwise(ordered):
        assert first.end <= second.start
    assert all(0 <= edit.start <= edit.end <= len(text) for edit in made)
    assert bool(made) == bool(chosen)
