"""The rule judge on answers written by hand."""

import numpy as np
import pytest

from groundtune.bench.tasks.mmhal import official_grade, strict_grade
from groundtune.bench.tasks.shr.shr import official_labels, sentences
from groundtune.bench.world.rule_judge import Grade, grade, mmhal_reply, shr_reply
from groundtune.world.scenes import Box, Scene, Thing

SCENE = Scene(
    key="development/0",
    context="kitchen",
    background="green",
    things=(
        Thing(
            category="cup",
            colour="red",
            cells=(0, 4),
            boxes=(Box(x=0, y=0, side=30), Box(x=33, y=33, side=30)),
            usual=True,
        ),
        Thing(
            category="dog", colour="", cells=(8,), boxes=(Box(x=65, y=65, side=30),), usual=False
        ),
    ),
    seed=0,
)


@pytest.mark.parametrize(
    ("kind", "reference", "answer", "wrong", "information"),
    [
        ("attribute", "The cups are red.", "Red.", False, 2),
        ("attribute", "The cups are red.", "The cups are red.", False, 3),
        ("attribute", "The cups are red.", "Blue.", True, 0),
        ("attribute", "The cups are red.", "I can't tell.", False, 0),
        ("counting", "There are two cups.", "Two.", False, 2),
        ("counting", "There are two cups.", "There are three cups.", True, 0),
        ("relation", "The dog is in the bottom right corner.", "On the left.", True, 0),
        ("comparison", "Yes, there are more cups than forks.", "Yes.", False, 2),
        (
            "comparison",
            "Yes, there are more cups than forks.",
            "No, more forks than cups.",
            True,
            0,
        ),
        ("environment", "This is a kitchen.", "A kitchen.", False, 2),
        ("environment", "This is a kitchen.", "It is an office.", True, 0),
        ("other", "There is a dog in the bottom right corner.", "A dog.", False, 3),
        ("other", "There is a dog in the bottom right corner.", "A bowl.", True, 0),
        ("adversarial", "There is no fork in the image.", "There is no fork.", False, 2),
        ("adversarial", "There is no fork in the image.", "The fork is on the left.", True, 0),
        ("adversarial", "There is no fork in the image.", "Red.", True, 0),
        ("holistic", "A kitchen.", "There are two red cups and a dog.", False, 3),
        ("holistic", "A kitchen.", "There is a dog.", False, 2),
        ("holistic", "A kitchen.", "A nice day.", False, 0),
        ("holistic", "A kitchen.", "There are two red cups, a dog and a bowl.", True, 3),
    ],
)
def test_an_answer_is_graded_by_what_is_wrong_and_what_was_asked(
    kind: str, reference: str, answer: str, wrong: bool, information: int
) -> None:
    assert grade(SCENE, kind, reference, answer) == Grade(wrong=wrong, information=information)


@pytest.mark.parametrize("wrong", [True, False])
@pytest.mark.parametrize("information", range(4))
def test_a_reply_is_read_as_its_grade_by_both_modes(wrong: bool, information: int) -> None:
    judged = Grade(wrong=wrong, information=information)
    reply = mmhal_reply(judged, np.random.default_rng(0), 0)
    assert official_grade(reply) == strict_grade(reply) == judged.rating
    assert (judged.rating < 3) == wrong


def test_a_judge_that_always_errs_says_the_opposite() -> None:
    sound = Grade(wrong=False, information=3)
    assert official_grade(mmhal_reply(sound, np.random.default_rng(0), 1)) == 2


ANSWER = "This is a kitchen. There are two red cups and a fork. The dog is at the top. How nice."


def labels(error_rate: float) -> list[str | None] | None:
    parts = sentences(ANSWER)
    spans = [(part.start, part.end) for part in parts]
    reply = shr_reply(SCENE, ANSWER, spans, np.random.default_rng(0), error_rate)
    return official_labels(reply, len(parts))


def test_each_sentence_is_labelled_by_what_it_says() -> None:
    assert labels(0) == ["correct", "hallucination", "hallucination", "cannot judge"]


def test_a_judge_that_always_errs_swaps_the_labels() -> None:
    assert labels(1) == ["hallucination", "correct", "correct", "cannot judge"]
