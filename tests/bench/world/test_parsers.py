"""What short answers say."""

import pytest

from groundtune.bench.world import parsers


@pytest.mark.parametrize(
    ("answer", "strict", "official"),
    [
        ("Yes.", True, True),
        ("yes", True, True),
        ("YES, there is a cup.", True, True),
        ("No.", False, False),
        ("no, there is no cup", False, False),
        (" No", False, False),
        ("**No**, there isn't.", False, True),
        ("NO", False, True),
        ("There is no cup.", None, False),
        ("There is a cup.", None, True),
        ("I am not sure.", None, False),
        ("Snow is there", None, True),
        ("Yes. It is not small.", True, True),
        ("", None, True),
        ("maybe", None, True),
    ],
)
def test_yes_and_no_are_read_strictly_or_as_pope_does(
    answer: str, strict: bool | None, official: bool
):
    assert parsers.yes_or_no(answer) is strict
    assert parsers.yes_or_no(answer, "official") is official


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Two.", 2),
        ("2", 2),
        ("There are two cups.", 2),
        ("There is one cup.", 1),
        ("There is a cup. It is red, of two.", 1),
        ("There are no cups.", 0),
        ("None", 0),
        ("zero", 0),
        ("12 cups", 12),
        ("Two or three.", None),
        ("Several.", None),
        ("", None),
        ("two cups, yes two", 2),
    ],
)
def test_a_number_is_read_in_words_and_digits(answer: str, said: int | None):
    assert parsers.number(answer) == said


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Red.", "red"),
        ("The cups are red.", "red"),
        ("gray", "grey"),
        ("Red and blue.", None),
        ("Reddish", None),
        ("It is bright. Red.", None),
        ("", None),
    ],
)
def test_a_colour_is_read_if_there_is_one(answer: str, said: str | None):
    assert parsers.colour(answer) == said
