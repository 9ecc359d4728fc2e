"""Recorded divisions as replies to learn, and what two divisions have in common."""

import numpy as np
import pytest

from groundtune.feedback.claims import claims_of
from groundtune.feedback.divide import InstructedDivider
from groundtune.feedback.instructions import shipped_instruction
from groundtune.feedback.lessons import Agreement, agreement, lesson, pair_of, reply_of
from groundtune.generate.scripted import ScriptedGenerator
from groundtune.protocols import Statement
from groundtune.records import Answer, Claim, Message, Producer, Prompt, TextPart
from groundtune.world.captions import caption
from groundtune.world.claims import WorldDivider
from groundtune.world.scenes import scenes

BY = Producer(kind="rule", name="r")
TEXT = "A dog sleeps on two mats. It looks cosy."
PROMPT = Prompt(
    key="p", messages=(Message(role="user", content=(TextPart(text="What happens?"),)),)
)
ANSWER = Answer(key="a", prompt="p", text=TEXT, producer=BY)
DOG = Statement(0, 5, "There is a dog.", question="Is there a dog?")
MATS = Statement(16, 24, "There are two mats.", question="Are there two mats?")
COSY = Statement(26, 40, "It looks cosy.", status="opinion")
REPLY = """### Facts
- There is a dog. | A dog | Is there a dog?
- There are two mats. | two mats | Are there two mats?
### Opinions
- It looks cosy."""


def rows(*found: Statement) -> list[Claim]:
    return claims_of(ANSWER, found, BY)


def test_claims_become_the_reply_that_is_read_as_them():
    assert reply_of(TEXT, rows(DOG, MATS, COSY)) == REPLY
    divider = InstructedDivider(
        ScriptedGenerator(lambda prompt, seed: REPLY), shipped_instruction("split-1")
    )
    assert divider.divide([PROMPT], [ANSWER]) == [[DOG, MATS, COSY]]
    assert reply_of(TEXT, rows()) == "### Facts\n- none\n### Opinions\n- none"


@pytest.mark.parametrize(
    "bad",
    [
        Statement(0, 5, "It is either | or.", question="Is it?"),
        Statement(0, 5, "Two\nlines.", question="Is it?"),
        Statement(0, 5, "There is a dog.", question="no question"),
        Statement(0, 5, "There is a dog.", status="unparsed"),
    ],
)
def test_what_could_not_be_read_back_is_no_lesson(bad: Statement):
    assert reply_of(TEXT, rows(bad, MATS)) is None
    assert lesson(PROMPT, ANSWER, rows(bad, MATS), shipped_instruction("split-1")) is None


def test_facts_that_nobody_asks_about_are_left_out():
    unasked = Statement(0, 5, "There is a dog.")
    assert reply_of(TEXT, rows(unasked, MATS)) == reply_of(TEXT, rows(MATS))


def test_a_lesson_is_the_request_of_the_divider_and_a_pair_for_training():
    requests: list[Prompt] = []

    def reply(prompt: Prompt, seed: int) -> str:
        requests.append(prompt)
        return REPLY

    instruction = shipped_instruction("split-1")
    InstructedDivider(ScriptedGenerator(reply), instruction).divide([PROMPT], [ANSWER])
    taught = lesson(PROMPT, ANSWER, rows(DOG, MATS, COSY), instruction)
    assert taught is not None
    assert taught.prompt == requests[0]
    pair = pair_of(taught, ANSWER)
    assert (pair.chosen, pair.prompt, pair.parents) == (REPLY, requests[0].key, ("a",))
    assert pair.rejected != pair.chosen


def test_the_worlds_rules_give_lessons_for_most_captions():
    divider, taught = WorldDivider(setting=True), 0
    for seed, scene in enumerate(scenes("development", 20)):
        text = caption(scene, np.random.default_rng(seed))
        answer = ANSWER.model_copy(update={"text": text})
        claims = claims_of(answer, divider.divide([PROMPT], [answer])[0], BY)
        taught += reply_of(answer.text, claims) is not None
    assert taught >= 18


def test_agreement_counts_facts_in_the_same_words():
    other = DOG._replace(text="there is a  DOG", start=2, question="Is a dog there?")
    cat = Statement(0, 5, "There is a cat.", question="Is there a cat?")
    found = agreement(rows(DOG, MATS, COSY), rows(other, MATS, cat))
    assert found == Agreement(
        both=2, recorded=2, divided=3, same_questions=1, same_places=1, unread=0
    )
    unread = Statement(0, 9, "gibberish", status="unparsed")
    assert agreement(rows(DOG), rows(unread)) == Agreement(0, 1, 0, 0, 0, 1)
