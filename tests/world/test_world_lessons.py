"""Training turns: what they ask, and what facts come with them."""

import re

import numpy as np
import pytest

from groundtune.world.captions import MACHINE
from groundtune.world.lessons import LessonTurn, Mixture, stated, turns
from groundtune.world.questions import facts
from groundtune.world.scenes import scene, scenes

YES_OR_NO = re.compile(r"(Yes|No)\b")


def lessons(mixture: Mixture) -> list[LessonTurn]:
    return [
        turn
        for found in scenes("train", 300)
        for turn in turns(found, mixture, np.random.default_rng(found.seed))
    ]


def test_questions_are_answered_by_yes_alone_where_this_is_asked_for() -> None:
    told = lessons(Mixture(questions=6, captions=1, habits=MACHINE, facts=2, only_yes=True))
    answers = [turn.reply for turn in told if YES_OR_NO.match(turn.reply)]
    assert len(answers) > 700
    assert {re.split(r"\W", answer)[0] for answer in answers} == {"Yes"}
    # their answers stay true: what is asked about is there
    (found,) = scenes("train", 1)
    assert "Yes, there is" in " ".join(answers)
    for turn in turns(found, Mixture(questions=40, only_yes=True), np.random.default_rng(0)):
        if match := re.match(r"Yes, there is (?:an?|a pair of) (.*)\.", turn.reply):
            assert any(match[1].split()[-1] in thing.category for thing in found.things)


def test_else_as_many_answers_are_no() -> None:
    answers = [t.reply for t in lessons(Mixture(captions=0)) if YES_OR_NO.match(t.reply)]
    yes = np.mean([answer.startswith("Yes") for answer in answers])
    assert 0.45 < yes < 0.55


def test_turns_by_facts_begin_with_all_of_a_scenes_facts_in_one_order() -> None:
    found = scene("train", 3)
    told = turns(found, Mixture(captions=0, facts=4), np.random.default_rng(1))
    begun = [turn for turn in told if turn.facts]
    assert len(begun) == 4
    assert len({turn.facts for turn in begun}) == 1
    lines = begun[0].facts.splitlines()
    assert lines[0] == "Facts:"
    assert sorted(lines[1:]) == sorted(f"- {line}" for line in facts(found))
    assert begun[0].facts == stated([line.removeprefix("- ") for line in lines[1:]])


@pytest.mark.parametrize("facts", [0, 1, 3])
def test_half_of_the_scenes_facts_come_without_the_image(facts: int) -> None:
    told = lessons(Mixture(questions=1, captions=0, facts=facts))
    begun = [turn for turn in told if turn.facts]
    assert len(begun) == 300 * facts
    assert not any(turn.blind for turn in told if not turn.facts)
    if facts:
        assert 0.4 < np.mean([turn.blind for turn in begun]) < 0.6
