"""Simulated people: corrections that a careful person would make, and mistakes at the rates set."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.errors import UserError
from groundtune.feedback.spans import apply
from groundtune.records import Answer, Correction, Message, Producer, Prompt, Side, Source, TextPart
from groundtune.world.captions import CLEAN, MACHINE, UNSEEN_VOICE, VOICES, Habits, Voice, caption
from groundtune.world.catalogue import CELLS
from groundtune.world.read import read
from groundtune.world.scenes import Scene, Stratum, scene, scenes
from groundtune.world.simulated_people import (
    DATASET,
    Mistakes,
    SimulatedAnnotator,
    SimulatedComparer,
    scene_of,
)
from groundtune.world.truth import findings
from prose import faults

STRATA: st.SearchStrategy[Stratum] = st.sampled_from(["usual", "missing", "replaced"])
SCENES = st.builds(scene, st.just("development"), st.integers(0, 10**6), STRATA)
SEEDS = st.integers(0, 2**32)
VOICES_AND_HELD_OUT = st.sampled_from([*VOICES, UNSEEN_VOICE])
WILD = Habits(
    omit=0.3,
    invent=1.5,
    elsewhere=0.5,
    round_number=0.8,
    typical_colour=0.8,
    mirror_place=0.7,
    wrong_background=0.5,
)
MODEL = Producer(kind="model", name="a-model")


def prompt_of(found: Scene) -> Prompt:
    asked = Message(role="user", content=(TextPart(text="Describe the image."),))
    source = Source(dataset=DATASET, row=found.key)
    return Prompt(key=f"prompt {found.key}", messages=(asked,), source=source)


def answer_of(found: Scene, text: str, key: str = "answer") -> Answer:
    return Answer(key=key, prompt=prompt_of(found).key, text=text, producer=MODEL)


def correct(annotator: SimulatedAnnotator, found: Scene, text: str) -> Correction:
    return annotator.correct(prompt_of(found), answer_of(found, text))


def machine_texts(number: int) -> list[tuple[Scene, str]]:
    rng = np.random.default_rng(5)
    return [(found, caption(found, rng, MACHINE)) for found in scenes("development", number)]


@given(SCENES, SEEDS, VOICES_AND_HELD_OUT, st.sampled_from([0.0, 0.8, 1.0]))
def test_a_faultless_annotator_leaves_nothing_wrong_and_good_english(
    found: Scene, seed: int, voice: Voice, replace: float
) -> None:
    text = caption(found, np.random.default_rng(seed), WILD, voice)
    made = correct(SimulatedAnnotator(replace=replace), found, text)
    assert findings(found, made.corrected) == []
    assert faults(made.corrected) == []
    assert apply(made.text, made.spans) == made.corrected


@given(SCENES, SEEDS, VOICES_AND_HELD_OUT)
def test_a_truthful_caption_is_left_alone(found: Scene, seed: int, voice: Voice) -> None:
    text = caption(found, np.random.default_rng(seed), CLEAN, voice)
    made = correct(SimulatedAnnotator(), found, text)
    assert made.spans == ()
    assert made.corrected == text


@given(SCENES, SEEDS, VOICES_AND_HELD_OUT)
def test_sentences_in_which_nothing_is_wrong_stay_as_they_are(
    found: Scene, seed: int, voice: Voice
) -> None:
    text = caption(found, np.random.default_rng(seed), WILD, voice)
    made = correct(SimulatedAnnotator(), found, text)
    wrong = findings(found, text)
    for sentence in text.split(". "):
        start = text.index(sentence)
        end = start + len(sentence)
        if not any(finding.start < end and start < finding.end for finding in wrong):
            assert sentence in made.corrected


@given(SCENES, SEEDS, st.integers(1, 3))
def test_the_same_answer_gets_the_same_correction_whatever_came_before(
    found: Scene, seed: int, before: int
) -> None:
    text = caption(found, np.random.default_rng(seed), WILD)
    used = SimulatedAnnotator(Mistakes.of_rate(0.3), seed=4)
    for i in range(before):
        correct(used, scene("train", i), caption(scene("train", i), np.random.default_rng(i)))
    fresh = SimulatedAnnotator(Mistakes.of_rate(0.3), seed=4)
    assert correct(used, found, text) == correct(fresh, found, text)


def test_another_seed_makes_other_choices() -> None:
    texts = machine_texts(60)
    first, second = (
        [correct(SimulatedAnnotator(seed=seed), *told).corrected for told in texts]
        for seed in (0, 1)
    )
    assert first != second


@pytest.mark.parametrize("place", ["in the top left corner", "in the middle"])
def test_a_place_that_is_given_twice_or_would_be_is_given_once(place: str) -> None:
    found = next(
        s
        for s in scenes("development", 500)
        if any(t.number == 1 and CELLS[t.cells[0]] == place for t in s.things)
    )
    name = next(t for t in found.things if t.number == 1 and CELLS[t.cells[0]] == place).category
    wrong = next(words for words in CELLS if words != place)
    start = f"There is a {name}. The {name} is"
    made = correct(SimulatedAnnotator(replace=0), found, f"{start} {place}. The {name} is {wrong}.")
    assert made.corrected == f"{start} {place}."
    made = correct(SimulatedAnnotator(replace=0), found, f"{start} {wrong}. The {name} is {place}.")
    assert made.corrected == f"{start} {place}."
    text = f"{start} {place}. The {name} is {place}."
    assert correct(SimulatedAnnotator(replace=0), found, text).corrected == f"{start} {place}."


def test_what_a_person_replaces_and_what_they_delete() -> None:
    found = next(s for s in scenes("development", 500) if "dog" not in s.categories)
    text = "This is a place. The dog is on the left."
    gone = correct(SimulatedAnnotator(replace=0), found, text)
    assert gone.corrected == "This is a place."
    other = found.things[0]
    text = f"There is a dog and a {other.category}."
    there = correct(SimulatedAnnotator(replace=0), found, text)
    assert "dog" not in there.corrected
    assert {span.kind for span in there.spans} <= {"object", "number"}


def test_replacing_keeps_answers_longer_than_deleting() -> None:
    texts = machine_texts(300)
    words = {
        replace: np.mean(
            [len(correct(SimulatedAnnotator(replace=replace), *t).corrected.split()) for t in texts]
        )
        for replace in (0.0, 1.0)
    }
    original = np.mean([len(text.split()) for _, text in texts])
    assert words[0.0] < words[1.0] <= original + 1


def test_each_span_has_its_kind() -> None:
    counts = Counter(
        span.kind
        for found, text in machine_texts(400)
        for span in correct(SimulatedAnnotator(), found, text).spans
    )
    assert set(counts) == {"object", "number", "attribute", "position"}
    assert counts["object"] > counts["attribute"] > 20


def still_wrong(mistakes: Mistakes, texts: list[tuple[Scene, str]]) -> tuple[int, int]:
    """Invented categories, and how many of them the corrected text still names."""
    invented = kept = 0
    for found, text in texts:
        before = {m.category for m in read(text).asserted_mentions} - found.categories
        corrected = correct(SimulatedAnnotator(mistakes), found, text).corrected
        after = {m.category for m in read(corrected).asserted_mentions} - found.categories
        invented += len(before)
        kept += len(before & after)
    return invented, kept


def test_misses_happen_at_their_rate() -> None:
    invented, kept = still_wrong(Mistakes(miss=0.3), machine_texts(500))
    assert kept / invented == pytest.approx(0.3, abs=0.06)


def test_wrong_fixes_happen_at_their_rate() -> None:
    texts = machine_texts(500)
    wrong = [len([f for f in findings(*told) if f.kind == "object"]) for told in texts]
    left = [
        len(
            [
                f
                for f in findings(
                    told[0], correct(SimulatedAnnotator(Mistakes(wrong_fix=0.4)), *told).corrected
                )
                if f.kind == "object"
            ]
        )
        for told in texts
    ]
    assert sum(left) / sum(wrong) == pytest.approx(0.4, abs=0.06)


def test_false_alarms_happen_at_their_rate_and_only_spoil() -> None:
    rng = np.random.default_rng(9)
    spoilt = indefinite = 0
    for found in scenes("development", 400):
        text = caption(found, rng, CLEAN)
        made = correct(SimulatedAnnotator(Mistakes(false_alarm=0.2)), found, text)
        indefinite += sum(not mention.definite for mention in read(text).mentions)
        spoilt += sum(f.kind == "object" for f in findings(found, made.corrected))
        assert faults(made.corrected) == []
    assert spoilt / indefinite == pytest.approx(0.2, abs=0.04)


@given(SCENES, SEEDS, VOICES_AND_HELD_OUT)
def test_even_a_careless_annotator_writes_good_english(
    found: Scene, seed: int, voice: Voice
) -> None:
    text = caption(found, np.random.default_rng(seed), WILD, voice)
    made = correct(SimulatedAnnotator(Mistakes.of_rate(0.6)), found, text)
    assert faults(made.corrected) == []
    assert apply(made.text, made.spans) == made.corrected


def test_more_mistakes_leave_more_wrong() -> None:
    texts = machine_texts(200)
    left = [
        sum(
            len(findings(found, correct(annotator, found, text).corrected)) for found, text in texts
        )
        for annotator in (SimulatedAnnotator(Mistakes.of_rate(r)) for r in (0, 0.1, 0.3))
    ]
    assert left[0] == 0 < left[1] < left[2]


def test_a_mistake_rate_is_shared_out() -> None:
    assert Mistakes.of_rate(0.2) == Mistakes(miss=0.1, wrong_fix=0.1, false_alarm=0.05)


@pytest.mark.parametrize(
    "text",
    ["", "...", "No.", "There is", "dog dog dog", "and a dog, and", "A cup a cup a cup a cup"],
)
def test_degenerate_answers_are_corrected_without_harm(text: str) -> None:
    found = next(s for s in scenes("development", 500) if not {"dog", "cup"} & s.categories)
    made = correct(SimulatedAnnotator(), found, text)
    assert apply(text, made.spans) == made.corrected
    assert findings(found, made.corrected) == []


def test_a_wrong_setting_is_named_anew_and_a_sentence_still_begins_large() -> None:
    found = next(s for s in scenes("development", 500) if s.context == "park")
    made = correct(SimulatedAnnotator(), found, "An office. The sky is nice.")
    assert made.corrected == "A park. The sky is nice."
    assert [span.kind for span in made.spans] == ["other"]


def test_sentences_that_go_side_by_side_leave_one_space() -> None:
    found = next(s for s in scenes("development", 500) if not {"dog", "cat"} & s.categories)
    made = correct(SimulatedAnnotator(replace=0), found, "A dog. A cat. That is all.")
    assert made.corrected == "That is all."


def test_a_prompt_of_another_data_set_is_an_error() -> None:
    found = scene("development", 0)
    asked = prompt_of(found).model_copy(update={"source": Source(dataset="coco", row="1")})
    with pytest.raises(UserError, match="only correct answers about the embedded world"):
        SimulatedAnnotator().correct(asked, answer_of(found, "A dog."))
    assert scene_of(prompt_of(found)) == found


def compared(
    comparer: SimulatedComparer, found: Scene, first: str, second: str
) -> tuple[Side, Side | None]:
    made = comparer.compare(
        prompt_of(found), answer_of(found, first, "1"), answer_of(found, second, "2")
    )
    assert (made.first, made.second) == ("1", "2")
    return made.better, made.hallucinates_more


def test_the_comparer_prefers_the_honest_answer_then_the_fuller_one() -> None:
    found = next(s for s in scenes("development", 500) if "dog" not in s.categories)
    one, two = (thing.category for thing in found.things[:2])
    honest, full = f"I see the {one}.", f"I see the {one} and the {two}."
    invented = f"I see the {one}, the {two} and the dog."
    person = SimulatedComparer()
    assert compared(person, found, honest, invented) == ("first", "second")
    assert compared(person, found, invented, honest) == ("second", "first")
    assert compared(person, found, honest, full) == ("second", "tie")
    assert compared(person, found, honest, honest) == ("tie", "tie")


@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_the_comparers_verdicts_are_the_wrong_way_round_at_the_error_rate(rate: float) -> None:
    person = SimulatedComparer(rate)
    verdicts = [
        compared(person, found, f"A {found.things[0].category}.", "A dog and a toilet.")
        for found in scenes("development", 400)
        if not {"dog", "toilet"} & found.categories and found.things[0].number == 1
    ]
    wrong = np.mean([verdict == ("second", "first") for verdict in verdicts])
    assert wrong == pytest.approx(rate, abs=0.1 if rate == 0.25 else 0)
    assert set(verdicts) <= {("first", "second"), ("second", "first")}
