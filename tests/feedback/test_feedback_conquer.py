"""Verdicts from a labeler's probabilities, each question asked once."""

import math
from collections.abc import Sequence

import pytest

from groundtune.feedback.claims import claims_of, is_unanswered, why_unscored
from groundtune.feedback.conquer import Asking, conquer, question_prompt
from groundtune.protocols import Statement, YesNoReply
from groundtune.records import Answer, ImagePart, Message, Producer, Prompt, TextPart

MODEL = Producer(kind="model", name="m")
RULES = Producer(kind="rule", name="r")
LABELER = Producer(kind="model", name="labeler")


def asked_about(image: str) -> Prompt:
    content = (ImagePart(image=image), TextPart(text="Describe it."))
    return Prompt(key=f"p{image}", messages=(Message(role="user", content=content),))


class Table:
    """A labeler that answers by the question's first word, and keeps what it was asked."""

    def __init__(self, **replies: tuple[float, float]) -> None:
        self.replies = replies
        self.asked: list[tuple[str, str]] = []

    def yes_no(self, prompts: Sequence[Prompt]) -> list[YesNoReply]:
        self.asked += [(prompt.images[0], prompt.question) for prompt in prompts]
        return [YesNoReply(*self.replies[prompt.question.split()[0]]) for prompt in prompts]


def claims(key: str, *words: str):
    answer = Answer(key=key, prompt=key, text="x" * 9, producer=MODEL)
    found = [Statement(0, 1, word, "object", f"{word}?") for word in words]
    found.append(Statement(0, 1, "nice", status="opinion"))
    return claims_of(answer, found, RULES)


def test_a_claim_is_rejected_where_no_is_likelier_and_keeps_the_raw_probabilities():
    labeler = Table(**{"a?": (0.5, 0.1), "b?": (0.1, 0.5)})
    made = conquer(claims("k", "a", "b"), {"k": asked_about("1")}, labeler, LABELER, Asking())
    assert [(c.status, c.p_yes, c.p_no) for c in made.claims] == [
        ("supported", 0.5, 0.1),
        ("rejected", 0.1, 0.5),
        ("opinion", None, None),
    ]
    assert labeler.asked[0][1].endswith("? Please answer yes or no.")


@pytest.mark.parametrize(("ties", "status"), [("supported", "supported"), ("rejected", "rejected")])
def test_ties_follow_the_paper_or_its_code(ties: str, status: str):
    asking = Asking.model_validate({"ties": ties})
    labeler = Table(**{"a?": (0.5, 0.5)})
    made = conquer(claims("k", "a"), {"k": asked_about("1")}, labeler, LABELER, asking)
    assert made.claims[0].status == status


def test_a_question_about_one_image_is_asked_once_and_images_are_together():
    labeler = Table(**{"a?": (1, 0), "b?": (0, 1), "c?": (1, 0)})
    rows = [*claims("x", "a", "b"), *claims("z", "c", "a"), *claims("y", "b", "c")]
    about = {"x": asked_about("1"), "y": asked_about("1"), "z": asked_about("2")}
    made = conquer(rows, about, labeler, LABELER, Asking(suffix=""))
    assert made.questions == 5
    assert [image for image, _ in labeler.asked] == ["1", "1", "1", "2", "2"]
    assert [c.status for c in made.claims if c.text == "b"] == ["rejected", "rejected"]
    assert [c.answer for c in made.claims] == [row.answer for row in rows]


def test_a_labeler_that_says_neither_yes_nor_no_leaves_a_claim_unchecked():
    nan = math.nan
    replies = {"a?": (0.0005, 0.001), "b?": (nan, nan), "c?": (0.9, 0.6), "d?": (0.2, 0.3)}
    rows = claims("k", "a", "b", "c", "d")
    made = conquer(rows, {"k": asked_about("1")}, Table(**replies), LABELER, Asking()).claims
    assert [(c.status, c.p_yes, c.p_no) for c in made[:4]] == [
        ("unchecked", 0.0005, 0.001),
        ("unchecked", None, None),
        ("unchecked", None, None),
        ("rejected", 0.2, 0.3),
    ]
    assert [is_unanswered(claim) for claim in made] == [True, True, True, False, False]
    assert why_unscored(made)
    any_mass = Asking(least_mass=0)
    made = conquer(rows, {"k": asked_about("1")}, Table(**replies), LABELER, any_mass).claims
    assert [c.status for c in made[:3]] == ["rejected", "unchecked", "unchecked"]


def test_a_claim_without_a_question_stays_unchecked():
    labeler = Table()
    rows = [row.model_copy(update={"question": ""}) for row in claims("k", "a")]
    made = conquer(rows, {"k": asked_about("1")}, labeler, LABELER, Asking())
    assert [claim.status for claim in made.claims] == ["unchecked", "opinion"]
    assert labeler.asked == []
    assert not any(map(is_unanswered, made.claims))


def test_a_question_has_the_images_and_nothing_that_was_said_before():
    first = Message(role="user", content=(ImagePart(image="1"), TextPart(text="Hm?")))
    reply = Message(role="assistant", content=(TextPart(text="A dog."),))
    then = Message(role="user", content=(ImagePart(image="2"), TextPart(text="And?")))
    asked = question_prompt(Prompt(key="p", messages=(first, reply, then)), "Is it?")
    assert (asked.images, asked.question, len(asked.messages)) == (("1", "2"), "Is it?", 1)


def test_what_a_claim_rests_on_keeps_its_new_key():
    answer = Answer(key="k", prompt="k", text="red cup", producer=MODEL)
    found = [
        Statement(0, 7, "cup", question="a?"),
        Statement(0, 3, "red", question="a?", rests_on=0),
    ]
    rows = claims_of(answer, found, RULES)
    made = conquer(rows, {"k": asked_about("1")}, Table(**{"a?": (1, 0)}), LABELER, Asking())
    assert made.claims[1].rests_on == made.claims[0].key != rows[0].key
