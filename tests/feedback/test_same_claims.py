"""Replacements that claim the same: which places are asked about, and what is equal, by hand."""

import pytest

from groundtune.feedback.agreement.same_claims import (
    ReplacedPlace,
    claim_the_same,
    replaced_places,
)
from groundtune.records import Claim, ClaimStatus, Span

TEXT = "A dog sits. Two cats sit on a red sofa."


def span(words: str, replacement: str | None) -> Span:
    start = TEXT.index(words)
    return Span(start=start, end=start + len(words), replacement=replacement)


def places(first: list[Span], second: list[Span]) -> list[ReplacedPlace | None]:
    return list(replaced_places(TEXT, [first, second]))


def place(first: str, second: str, words: str = "A dog") -> ReplacedPlace:
    (found,) = places([span(words, first)], [span(words, second)])
    assert found is not None
    return found


def claims(text: str, *said: "Said") -> list[Claim]:
    """Claims by the words that they come from, their statement, and the labeler's verdict."""
    rows: list[Claim] = []
    for number, (words, statement, status) in enumerate(said):
        start = text.index(words)
        row = {"key": f"c{number}", "answer": "a", "text": statement, "status": status}
        rows.append(Claim.model_validate({**row, "start": start, "end": start + len(words)}))
    return rows


def test_a_place_is_where_both_replaced_and_wrote_other_words():
    ours = [span("dog", "fox"), span("Two", "Three"), span("red", None)]
    theirs = [span("A dog", "One fox"), span("Two", "three "), span("red", "blue")]
    first, second = places(ours, theirs)
    assert second is None  # the same up to case and blanks
    assert first is not None
    assert first.texts == (
        "A fox sits. Two cats sit on a red sofa.",
        "One fox sits. Two cats sit on a red sofa.",
    )
    assert [text[first.start : end] for text, end in zip(first.texts, first.ends, strict=True)] == [
        "A fox",
        "One fox",
    ]


def test_the_question_is_the_same_whoever_wrote_which_text():
    assert place("A fox", "One fox").key("p") == place("One fox", "A fox").key("p")
    assert place("A fox", "One fox").key("p") != place("A fox", "One fox").key("q")
    assert place("A fox", "One fox").key("p") != place("A fox", "Two foxes").key("p")


Said = tuple[str, str, ClaimStatus]
FOX: Said = ("fox", "There is a fox.", "supported")
RED_FOX: tuple[Said, Said] = (
    ("red fox", "There is a fox.", "supported"),
    ("red", "The fox is red.", "supported"),
)
WOLF: Said = ("wolf", "There is a wolf.", "rejected")


CASES: list[tuple[tuple[str, str], tuple[list[Said], list[Said]], bool | None]] = [
    # The same claims, in other words.
    (("A fox", "One fox"), ([FOX], [FOX]), True),
    # Both right, and one says more.
    (("A fox", "A red fox"), ([FOX], [*RED_FOX]), True),
    (("A fox", "An animal"), ([FOX], [("animal", "There is an animal.", "supported")]), True),
    # What only one of them says is wrong.
    (("A fox", "A wolf"), ([FOX], [WOLF]), False),
    # Both say the same, and it is wrong: they agree.
    (("A wolf", "One wolf"), ([WOLF], [WOLF]), True),
    # Both wrong in other ways.
    (("A wolf", "A bear"), ([WOLF], [("bear", "There is a bear.", "rejected")]), False),
    # Who deletes the place doesn't say what another one does.
    (("", "A fox"), ([], [FOX]), False),
    # The labeler gave no verdict, or the divider found no claim in the words.
    (("A fox", "A wolf"), ([FOX], [("wolf", "There is a wolf.", "unchecked")]), None),
    (("A fox", "A wolf"), ([FOX], []), None),
    (("A fox", "A wolf"), ([], []), None),
]


@pytest.mark.parametrize(("texts", "said", "expected"), CASES)
def test_which_replacements_are_equal(
    texts: tuple[str, str],
    said: tuple[list[Said], list[Said]],
    expected: bool | None,
):
    where = place(*texts)
    found = [claims(text, *own) for text, own in zip(where.texts, said, strict=True)]
    assert claim_the_same(where, found[0], found[1]) is expected
    (a, b), (end, other_end) = where.texts, where.ends
    turned = ReplacedPlace(where.start, (b, a), (other_end, end))
    assert claim_the_same(turned, found[1], found[0]) is expected


def test_what_is_wrong_in_other_sentences_does_not_matter():
    where = place("A fox", "One fox")
    ours: list[Said] = [FOX, ("red", "The sofa is red.", "rejected")]
    theirs: list[Said] = [FOX, ("red", "A sofa is red.", "rejected")]
    found = [claims(text, *own) for text, own in zip(where.texts, (ours, theirs), strict=True)]
    assert claim_the_same(where, *found) is True
