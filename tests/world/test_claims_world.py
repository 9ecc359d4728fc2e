"""Division of texts about scenes by rules, on wordings that no template and no model uses."""

import ast
import inspect

import numpy as np
import pytest

import groundtune.world.claims as rules
from groundtune.records import Answer, Producer, Prompt
from groundtune.world.captions import MACHINE, UNSEEN_VOICE, VOICES, Voice, caption
from groundtune.world.claim_truth import holds
from groundtune.world.claims import Fact, WorldDivider, facts_of, statements
from groundtune.world.questions import existence
from groundtune.world.read import read
from groundtune.world.scenes import scene
from groundtune.world.truth import check


def told(text: str) -> list[str]:
    """Each statement of a text: its characters, then its question or status."""
    found = statements(text)
    return [f"{text[s.start : s.end]}: {s.question or s.status}" for s in found]


def test_a_phrase_is_divided_into_object_number_colour_and_place():
    assert told("Two red mugs are on the left.") == [
        "Two red mugs: Is there a cup in the image?",
        "Two: Are there exactly two cups?",
        "red: Are the cups red?",
        "on the left: Are the cups on the left?",
    ]
    assert [fact.rests_on for fact in facts_of("Two red mugs are on the left.")] == [None, 0, 0, 0]
    assert [fact.text for fact in facts_of("Two red mugs are on the left.")] == [
        "There is a cup.",
        "There are exactly two cups.",
        "The cups are red.",
        "The cups are on the left.",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("There is no dog.", ["no dog: Is there no dog in the image?"]),
        ("There was no dog.", ["no dog: Was there no dog in the image?"]),
        (
            "A dog sat here and was on the right.",
            [
                "A dog: Was there a dog in the image?",
                "A: Was there exactly one dog?",
                "on the right: Was the dog on the right?",
            ],
        ),
        ("The dog stays.", ["The dog: Is there a dog in the image?"]),
        ("Mice.", ["Mice: Is there a mouse in the image?"]),
        (
            "A pair of skis.",
            [
                "A pair of skis: Is there a pair of skis in the image?",
                "A: Is there exactly one pair of skis?",
            ],
        ),
        (
            "We are in a kitchen whose wall is pink.",
            ["a kitchen: Is this a kitchen?", "pink: Is the wall pink?"],
        ),
        (
            "It was a farm under a grey sky.",
            ["a farm: Was this a farm?", "grey: Was the sky grey?"],
        ),
        ("Another dog.", ["Another dog: Is there a dog in the image?"]),
    ],
)
def test_tense_negation_and_number_are_kept(text: str, expected: list[str]):
    assert told(text) == expected


def test_opinions_are_left_out_and_what_cannot_be_read_is_reported():
    text = "A dog. The mood feels calm. Blorps everywhere! ..."
    assert told(text)[2:] == ["The mood feels calm.: opinion", "Blorps everywhere!: unparsed"]
    assert statements("") == []


def test_questions_are_worded_as_the_worlds_models_know_them():
    (fact, _) = facts_of("Somebody left a cup.")
    assert fact.question == existence("cup", True, "Is there {a} in the image?").text


@pytest.mark.parametrize("voice", [*VOICES, UNSEEN_VOICE])
def test_divided_captions_say_all_that_the_truth_finds_wrong_and_no_more(voice: Voice):
    """A fact is false where truth finds something wrong, in the very same characters."""
    wrong_in_all = 0
    for index in range(40):
        seen = scene("development", 1000 + index)
        text = caption(seen, np.random.default_rng(index), MACHINE, voice)
        facts = facts_of(text)
        absent = {i for i, f in enumerate(facts) if f.aspect == "object" and not holds(seen, f)}
        wrong = {
            (f.start, f.end) for f in facts if holds(seen, f) is False and f.rests_on not in absent
        }
        assert wrong == {(found.start, found.end) for found in check(seen, read(text))}
        assert all(statement.status == "unchecked" for statement in statements(text))
        wrong_in_all += len(wrong)
    assert wrong_in_all > 40


def test_the_rules_see_neither_the_truth_nor_the_templates():
    imported = {
        node.module
        for node in ast.walk(ast.parse(inspect.getsource(rules)))
        if isinstance(node, ast.ImportFrom)
    }
    hidden = {f"groundtune.world.{name}" for name in ("scenes", "truth", "claim_truth", "captions")}
    assert not imported & (hidden | {"groundtune.world.questions"})


def test_a_divider_gives_each_answers_statements_and_names_its_revision():
    by = Producer(kind="model", name="m")
    answers = [
        Answer(key=k, prompt="p", text=t, producer=by) for k, t in (("a", "A dog."), ("b", ""))
    ]
    divided = WorldDivider().divide([Prompt(key="p", messages=())] * 2, answers)
    assert [len(found) for found in divided] == [2, 0]
    assert WorldDivider().producer().revision == rules.REVISION


def test_place_and_background_are_asked_about_on_demand_alone():
    text = "We are in a kitchen with a pink wall and a dog."
    plain, asked = statements(text, setting=False), statements(text)
    assert [bool(s.question) for s in plain] == [False, False, True, True]
    assert [s._replace(question="") for s in plain] == [s._replace(question="") for s in asked]
    assert WorldDivider(setting=True).producer() != WorldDivider().producer()


def test_truth_knows_absent_things_number_colour_place_and_setting():
    seen = scene("development", 0)
    thing = seen.things[0]
    there = Fact(aspect="object", start=0, end=0, category=thing.category)
    assert holds(seen, there)
    assert not holds(seen, there.model_copy(update={"negated": True}))
    assert not holds(
        seen,
        there.model_copy(update={"category": "zebra" if not seen.thing("zebra") else "toilet"}),
    )
    number = there.model_copy(update={"aspect": "number", "number": thing.number})
    assert holds(seen, number)
    assert not holds(seen, number.model_copy(update={"number": thing.number + 1}))
    place = there.model_copy(update={"aspect": "place", "value": str(thing.cells[0])})
    assert holds(seen, place)
    assert holds(seen, Fact(aspect="context", start=0, end=0, value=seen.context))
    assert holds(seen, Fact(aspect="background", start=0, end=0, value=seen.background))
    plain = next(t for i in range(50) for t in scene("development", i).things if not t.colour)
    owner = next(s for i in range(50) if plain in (s := scene("development", i)).things)
    colour = Fact(aspect="colour", start=0, end=0, category=plain.category, value="red")
    assert holds(owner, colour) is None
