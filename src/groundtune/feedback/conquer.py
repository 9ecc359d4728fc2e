"""Conquer: a labeler answers each claim's question, and the claim is supported or rejected.

RLAIF-V (Yu et al. 2024, arXiv 2405.17220, 3.2): a claim is rejected where p(no) > p(yes). The
released code rejects ties too, appends " Please answer yes or no.", and reads scores that a
repetition penalty has changed; here the probabilities are the model's own.

A question about one image is asked once, however many answers raise it. All questions of a call
stand together by image, so that a labeler can compute what they share once.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import Field

from groundtune.feedback.claims import checked_key
from groundtune.protocols import LEAST_MASS, YesNo, YesNoReply
from groundtune.records import (
    Claim,
    ImagePart,
    Message,
    Producer,
    Prompt,
    Record,
    TextPart,
)
from groundtune.store.keys import key_of

Ties = Literal["supported", "rejected"]


class Asking(Record):
    """How claims are asked about."""

    suffix: str = " Please answer yes or no."
    """Appended to each question: the published text. A labeler of the embedded world knows another,
    " Answer yes or no."."""
    ties: Ties = "supported"
    """What a claim with p(yes) = p(no) is: the paper's rule; "rejected" is its code's."""
    least_mass: float = Field(default=LEAST_MASS, ge=0, le=1)
    """With less p(yes) + p(no) the labeler says neither, and the claim stays unchecked. The
    published code knows no such bound."""


class Conquered(NamedTuple):
    """The claims with their verdicts, in order, and how many questions that took."""

    claims: list[Claim]
    asked: int


def conquer(
    claims: Sequence[Claim],
    prompts: Mapping[str, Prompt],
    labeler: YesNo,
    by: Producer,
    asking: Asking,
) -> Conquered:
    """The labeler's verdict on each claim that has a question; the others keep their status.

    A reply that says neither yes nor no is no verdict: the claim stays unchecked. Images are asked
    about in the claims' order, so that claims also tell when a labeler stopped answering.

    `prompts` holds the prompt of each claim's answer, by the answer's key: its images are what is
    asked about. `by` names the labeler and all that changes what it says. Claims are returned under
    their new keys (`checked_key`), `rests_on` too.
    """
    questions: dict[str, Prompt] = {}
    of_claim: dict[str, str] = {}
    for claim in claims:
        if claim.status == "unchecked" and claim.question:
            asked = question_prompt(prompts[claim.answer], claim.question + asking.suffix)
            questions[asked.key] = asked
            of_claim[claim.key] = asked.key
    first: dict[tuple[str, ...], int] = {}
    for number, prompt in enumerate(questions.values()):
        first.setdefault(prompt.images, number)
    ordered = sorted(questions.values(), key=lambda prompt: (first[prompt.images], prompt.key))
    replies = labeler.yes_no(ordered) if ordered else []
    found = {prompt.key: reply for prompt, reply in zip(ordered, replies, strict=True)}
    made: list[Claim] = []
    for claim in claims:
        below = checked_key(claim.rests_on, by) if claim.rests_on else ""
        change: dict[str, object] = {"key": checked_key(claim.key, by), "rests_on": below}
        if claim.key in of_claim:
            change |= _verdict(found[of_claim[claim.key]], asking)
        made.append(claim.model_copy(update=change))
    return Conquered(made, len(ordered))


def question_prompt(about: Prompt, question: str) -> Prompt:
    """A question about a prompt's images, without what was said before."""
    images = [ImagePart(image=image) for image in about.images]
    content = (*images, TextPart(text=question))
    messages = (Message(role="user", content=content),)
    return Prompt(key=key_of("question", messages), messages=messages, source=about.source)


def _verdict(reply: YesNoReply, asking: Asking) -> dict[str, object]:
    """What a reply makes of a claim; one that says neither yes nor no leaves it unchecked."""
    if not reply.is_answer(asking.least_mass):
        known = reply.are_probabilities()
        return {"p_yes": reply.p_yes, "p_no": reply.p_no} if known else {}
    rejected = reply.p_no > reply.p_yes or (reply.p_no == reply.p_yes and asking.ties == "rejected")
    return {
        "p_yes": reply.p_yes,
        "p_no": reply.p_no,
        "status": "rejected" if rejected else "supported",
    }
