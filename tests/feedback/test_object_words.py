"""Which class a question names, and what rules without eyes can say of it."""

import pytest

from groundtune.feedback.object_words import ObjectQuestion, question_of, verdict_of

CLASSES = frozenset({"cup", "person", "traffic light", "hot dog", "dog", "knife"})


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("Is there a cup in the image?", ObjectQuestion("cup", bare=True)),
        ("Is there a mug in the picture? Answer yes or no.", ObjectQuestion("cup", bare=True)),
        ("Are there exactly two knives?", ObjectQuestion("knife", 2, bare=True)),
        ("Is there no person in the image?", ObjectQuestion("person", negated=True, bare=True)),
        ("Is there a red cup in the image?", ObjectQuestion("cup")),
        ("Is the cup red?", ObjectQuestion("cup")),
        ("Are there several people?", ObjectQuestion("person")),
        ("Is there a hot dog?", ObjectQuestion("hot dog", bare=True)),
        ("Is there a traffic light on the left?", ObjectQuestion("traffic light")),
        ("Is the cup not red?", None),
        ("Is the cup next to the dog?", None),
        ("Is this a kitchen?", None),
    ],
)
def test_questions_are_read(question: str, asked: ObjectQuestion | None):
    assert question_of(question, CLASSES) == asked


@pytest.mark.parametrize(
    ("asked", "number", "verdict"),
    [
        (ObjectQuestion("cup", bare=True), 2, True),
        (ObjectQuestion("cup", bare=True), 0, False),
        (ObjectQuestion("cup", bare=True), None, None),
        (ObjectQuestion("cup"), 0, False),  # a red cup needs a cup
        (ObjectQuestion("cup"), 1, None),
        (ObjectQuestion("cup", 2, bare=True), 2, True),
        (ObjectQuestion("cup", 2, bare=True), 3, False),
        (ObjectQuestion("cup", negated=True, bare=True), 0, True),
        (ObjectQuestion("cup", negated=True, bare=True), 1, False),
    ],
)
def test_what_is_counted_decides(asked: ObjectQuestion, number: int | None, verdict: bool | None):
    assert verdict_of(asked, number) is verdict
