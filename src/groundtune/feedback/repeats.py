"""Claims that an answer makes again: "a cup and a bowl and a cup".

Whether a second mention is meant as new is read from its first word: for English alone.
"""

from collections.abc import Sequence

from groundtune.feedback.claims import fact_of
from groundtune.records import Claim

_DEFINITE = (
    "the ",
    "this ",
    "that ",
    "these ",
    "those ",
    "its ",
    "their ",
    "it ",
    "they ",
    "both ",
)


def repeated_claims(text: str, claims: Sequence[Claim]) -> list[Claim]:
    """Return the claims made before as if they were new: the second "a cup", not "the cup"."""
    facts: set[str] = set()
    repeats: list[Claim] = []
    for claim in claims:
        if claim.rests_on or not claim.question:
            continue
        fact = fact_of(claim)
        if fact in facts and not text[claim.start : claim.end].lower().startswith(_DEFINITE):
            repeats.append(claim)
        facts.add(fact)
    return repeats


def with_repeats_rejected(text: str, claims: Sequence[Claim]) -> list[Claim]:
    """Return an answer's claims with the repeated ones surely rejected.

    A labeler sees in the image what is said twice, so a model that learns from its verdicts alone
    may learn to repeat what is right.
    """
    repeats = {claim.key for claim in repeated_claims(text, claims) if claim.status == "supported"}
    rejected = {"status": "rejected", "p_yes": None, "p_no": None}
    return [
        claim.model_copy(update=rejected) if claim.key in repeats else claim for claim in claims
    ]
