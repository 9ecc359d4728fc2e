"""Whether two people's replacements for one place claim the same, by a divider and a labeler.

Two people who write other words may still mean the same ("a fox", "one fox"), or both be right ("a
fox", "a red fox"). Each replacement is read within the whole answer, in which only this place is
changed; only claims of the place's own sentences count, so that what is wrong elsewhere doesn't.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from groundtune.feedback.agreement.marks import edited, matched, normalised, place_of
from groundtune.feedback.divide_align import sentences_of
from groundtune.records import Claim, Span
from groundtune.store.keys import key_of


class ReplacedPlace(NamedTuple):
    """A place of an answer that two people replaced in different words."""

    start: int
    """Where it begins, in the answer and in both texts."""
    texts: tuple[str, str]
    """The answer with either replacement."""
    ends: tuple[int, int]
    """Where the replacement ends, in either text."""

    def key(self, prompt: str) -> str:
        """Return the key of this question about a prompt (its key), in either order of texts."""
        return key_of(
            "same claims", prompt, self.start, sorted(zip(self.texts, self.ends, strict=True))
        )


def replaced_places(text: str, people: Sequence[Sequence[Span]]) -> Iterator[ReplacedPlace | None]:
    """Yield the places that two people replaced; None where they wrote the same.

    `people` are the spans of each, in order and not overlapping.
    """
    for first, second in combinations(people, 2):
        for pair in matched(len(text), first, second):
            place = place_of(pair, first, second)
            if place is None:
                continue
            start, end = place
            replacements = [edited(text, start, end, spans) for spans in (first, second)]
            if normalised(replacements[0]) == normalised(replacements[1]):
                yield None
                continue
            a, b = (f"{text[:start]}{each}{text[end:]}" for each in replacements)
            yield ReplacedPlace(
                start, (a, b), (start + len(replacements[0]), start + len(replacements[1]))
            )


def claim_the_same(
    place: ReplacedPlace, first: Sequence[Claim], second: Sequence[Claim]
) -> bool | None:
    """Whether two replacements claim the same; None if that can't be judged.

    They do if they make the same claims, or if the labeler confirms every claim that only one of
    them makes and each makes some: who deletes the place doesn't say the same as who replaces it.
    It can't be judged where the divider finds no claim in a replacement, or the labeler gave a
    claim no verdict.

    Args:
        place: The place, and both texts.
        first: The claims of the first text, with the labeler's verdicts.
        second: Those of the second text.
    """
    sides = (first, second)
    near = [_within(claims, *_sentences(place, n)) for n, claims in enumerate(sides)]
    statements = [{normalised(claim.text) for claim in claims} for claims in near]
    apart = [
        [claim for claim in near[n] if normalised(claim.text) not in statements[1 - n]]
        for n in (0, 1)
    ]
    silent = [
        not _within(claims, place.start, end) for claims, end in zip(near, place.ends, strict=True)
    ]
    deleted = [not place.texts[n][place.start : place.ends[n]].strip() for n in (0, 1)]
    statuses = {claim.status for claim in (*apart[0], *apart[1])}
    if "rejected" in statuses:
        return False
    if any(quiet and not is_deletion for quiet, is_deletion in zip(silent, deleted, strict=True)):
        return None  # words of which the divider makes no claim
    if any(deleted):
        return not statuses
    return True if statuses <= {"supported"} else None


def _sentences(place: ReplacedPlace, number: int) -> tuple[int, int]:
    """The characters of the sentences that the place touches."""
    text, start, end = place.texts[number], place.start, place.ends[number]
    touched = [(s, e) for s, e in sentences_of(text) if s <= end and start <= e]
    if not touched:
        return start, end
    return touched[0][0], touched[-1][1]


def _within(claims: Sequence[Claim], start: int, end: int) -> list[Claim]:
    """Claims of a sentence's or place's characters."""
    return [
        claim
        for claim in claims
        if claim.status != "empty" and claim.start < end and start < max(claim.end, claim.start + 1)
    ]
