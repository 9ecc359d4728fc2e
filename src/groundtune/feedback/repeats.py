"""What an answer says again: claims ("a cup and a bowl and a cup"), and phrases word by word.

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


def repeated_phrases(text: str, words: int = 4) -> float:
    """Return the share of an answer's phrases (of a number of words) that it said before, 0 to 1.

    Nothing divides or reads the answer. It is 0 for a shorter one, and where words have no spaces.
    """
    all_words = text.lower().split()
    phrases = [tuple(all_words[i : i + words]) for i in range(len(all_words) - words + 1)]
    return 1 - len(set(phrases)) / len(phrases) if phrases else 0.0


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
