"""Answers, images and rows that are joined by a name: one each, in order, or refused."""

from pathlib import Path

import pytest

from groundtune.bench.files.checks import by_id, one_file_per_name
from groundtune.bench.item import ItemAnswer
from groundtune.errors import UserError


def answers(*names: str) -> list[ItemAnswer]:
    return [ItemAnswer(text=f"{row}", item=name, row=row) for row, name in enumerate(names, 1)]


def test_items_of_one_name_have_an_answer_each_in_order():
    found = by_id(answers("a", "b", "a"), ["a", "a", "b"], "answers")
    assert [answer.text for answer in found] == ["1", "3", "2"]


@pytest.mark.parametrize(
    ("named", "what"),
    [
        ("aab", "1 of 4 items have no answer (the first is 'b')"),
        ("aabbb", "Row 5 answers 'b' again"),
        ("aabbc", "1 answers have no item (the first is 'c')"),
    ],
)
def test_another_number_of_answers_to_a_name_is_refused(named: str, what: str):
    with pytest.raises(UserError) as error:
        by_id(answers(*named), list("aabb"), "answers")
    assert what in error.value.what


def test_two_files_of_one_name_are_refused_and_one_given_twice_is_not():
    one, two = Path("x/1.jpg"), Path("x/1.png")
    assert one_file_per_name([one, one], lambda path: path.stem) == {"1": one}
    with pytest.raises(UserError, match=r"Two files fit '1': 1\.jpg and 1\.png"):
        one_file_per_name([one, two], lambda path: path.stem)
