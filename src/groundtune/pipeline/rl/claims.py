"""Checks the claims of a step's answers, as `label --by claims` does, in memory.

Questions about one image are asked once, however many answers raise them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from groundtune.feedback.claims import by_answer, claims_of, facts_of, with_verdict
from groundtune.feedback.conquer import conquer
from groundtune.pipeline.feedback.claims import Labelling, labeler_producer
from groundtune.records import Answer, Claim, Producer, Prompt, SpanKind


class FirstAnswer(NamedTuple):
    """What the policy said to a prompt before any training, greedily."""

    words: int
    """Words outside rejected claims."""
    facts: frozenset[str]
    """The questions of its supported claims."""


def check_claims(
    texts: Sequence[tuple[str, Prompt, str]], labelling: Labelling
) -> dict[str, list[Claim]]:
    """Return the checked claims of texts, given as (key, prompt, text), by key.

    Equal texts about one prompt are divided once.
    """
    by = Producer(kind="model", name="policy")
    prompts = {key: prompt for key, prompt, _ in texts}
    answers = {
        key: Answer(key=key, prompt=prompt.key, text=text, producer=by)
        for key, prompt, text in texts
    }
    first: dict[tuple[str, str], str] = {}
    for key, prompt, text in texts:
        first.setdefault((prompt.key, text), key)
    keys = list(first.values())
    divided = labelling.divider.divide(
        [prompts[key] for key in keys], [answers[key] for key in keys]
    )
    statements = dict(zip(keys, divided, strict=True))
    divider = labelling.divider.producer()
    claims = [
        claim
        for key, prompt, text in texts
        for claim in claims_of(answers[key], statements[first[prompt.key, text]], divider)
    ]
    labeler = labeler_producer(labelling)
    checked = conquer(claims, prompts, labelling.labeler, labeler, labelling.asking)
    return by_answer(checked.claims)


def reference_of(text: str, claims: Sequence[Claim], kinds: Sequence[SpanKind] = ()) -> FirstAnswer:
    """Return what an answer of the reference says; facts of the `kinds` alone, if there are any."""
    return FirstAnswer(words_outside(text, claims), frozenset(facts_of(claims, kinds)))


def words_outside(text: str, claims: Sequence[Claim]) -> int:
    """Return the number of words that are in no rejected claim."""
    characters = list(text)
    for claim in claims:
        if claim.status == "rejected":
            characters[claim.start : claim.end] = " " * (claim.end - claim.start)
    return len("".join(characters).split())


def wrong_claims(claims: Sequence[Claim]) -> list[Claim]:
    """Return the rejected claims that count, and those that could not be read.

    What rests on a rejected claim doesn't count. A sentence that can't be divided counts as wrong,
    or nonsense would pay.
    """
    rejected = [claim for claim in with_verdict(claims) if claim.status == "rejected"]
    return rejected + [claim for claim in claims if claim.status == "unparsed"]


def is_unread(text: str, claims: Sequence[Claim]) -> bool:
    """Return whether nothing of an answer could be read, or the labeler did not answer."""
    if not text:
        return False
    whole = [claim for claim in claims if claim.status == "unparsed"]
    if any((claim.start, claim.end) == (0, len(text)) for claim in whole):
        return True
    questions = [claim for claim in claims if claim.question]
    return bool(questions) and all(claim.status == "unchecked" for claim in questions)
