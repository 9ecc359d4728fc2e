"""Conquer: a labeler answers each claim's question, and the claim is supported or rejected.

RLAIF-V (Yu et al. 2024, arXiv 2405.17220, 3.2): a claim is rejected where p(no) > p(yes). The
released code rejects ties too, appends " Please answer yes or no.", and reads scores that a
repetition penalty has changed; here the probabilities are the model's own.

A question about one image is asked once, even if several answers raise it. The questions of a call
are grouped by image, so that a labeler can compute their shared prefix once.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import Field

from groundtune.feedback.claims import verdict_key
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
    """Settings of the questions about claims."""

    suffix: str = " Please answer yes or no."
    """Appended to each question: the published text. Labelers of the embedded world need " Answer
    yes or no."."""
    ties: Ties = "supported"
    """Status of a claim with p(yes) = p(no): the paper's rule; "rejected" is its code's."""
    least_mass: float = Field(default=LEAST_MASS, ge=0, le=1)
    """With less p(yes) + p(no) the reply is neither yes nor no, and the claim stays unchecked. The
    published code has no such bound."""


class ConquerResult(NamedTuple):
    """Claims with their verdicts, in order, and the number of questions."""

    claims: list[Claim]
    questions: int


def conquer(
    claims: Sequence[Claim],
    prompts: Mapping[str, Prompt],
    labeler: YesNo,
    by: Producer,
    asking: Asking,
) -> ConquerResult:
    """Return the claims with the labeler's verdicts; claims without a question keep their status.

    A reply that is neither yes nor no is no verdict: the claim stays unchecked. Images are queried
    in the claims' order, so that progress shows when a labeler stopped answering.

    `prompts` holds the prompt of each claim's answer, by the answer's key; its images are the ones
    to look at. `by` names the labeler and all that changes its replies. The claims have new keys
    (`verdict_key`), `rests_on` too.
    """
    questions: dict[str, Prompt] = {}
    of_claim: dict[str, str] = {}
    for claim in claims:
        if claim.status == "unchecked" and claim.question:
            question = question_prompt(prompts[claim.answer], claim.question + asking.suffix)
            questions[question.key] = question
            of_claim[claim.key] = question.key
    first: dict[tuple[str, ...], int] = {}
    for number, prompt in enumerate(questions.values()):
        first.setdefault(prompt.images, number)
    ordered = sorted(questions.values(), key=lambda prompt: (first[prompt.images], prompt.key))
    replies = labeler.yes_no(ordered) if ordered else []
    reply_of = {prompt.key: reply for prompt, reply in zip(ordered, replies, strict=True)}
    verdicts: list[Claim] = []
    for claim in claims:
        parent = verdict_key(claim.rests_on, by) if claim.rests_on else ""
        change: dict[str, object] = {"key": verdict_key(claim.key, by), "rests_on": parent}
        if claim.key in of_claim:
            change |= _verdict(reply_of[of_claim[claim.key]], asking)
        verdicts.append(claim.model_copy(update=change))
    return ConquerResult(verdicts, len(ordered))


def question_prompt(about: Prompt, question: str) -> Prompt:
    """Return a prompt with a question about another prompt's images, without its earlier turns."""
    images = [ImagePart(image=image) for image in about.images]
    content = (*images, TextPart(text=question))
    messages = (Message(role="user", content=content),)
    return Prompt(key=key_of("question", messages), messages=messages, source=about.source)


def _verdict(reply: YesNoReply, asking: Asking) -> dict[str, object]:
    """Return the fields that a reply changes; one that is neither yes nor no sets no status."""
    if not reply.is_answer(asking.least_mass):
        valid = reply.are_probabilities()
        return {"p_yes": reply.p_yes, "p_no": reply.p_no} if valid else {}
    rejected = reply.p_no > reply.p_yes or (reply.p_no == reply.p_yes and asking.ties == "rejected")
    return {
        "p_yes": reply.p_yes,
        "p_no": reply.p_no,
        "status": "rejected" if rejected else "supported",
    }
