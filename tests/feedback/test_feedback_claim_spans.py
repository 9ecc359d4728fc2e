"""Spans of what a labeler rejected, and of what an answer says rightly that another doesn't."""

from groundtune.feedback.claim_spans import gained_spans, is_sure, rejected_spans
from groundtune.records import Claim, Span, SpanKind

TEXT = "Three red cups and a dog. The cup is on the left."
PHRASES: dict[str, tuple[str, SpanKind, str]] = {
    "cups": ("Three red cups", "object", ""),
    "three": ("Three", "number", "cups"),
    "red": ("red", "attribute", "cups"),
    "dog": ("a dog", "object", ""),
    "left": ("on the left", "position", "cups"),
}


def said(*, others: str = "", **p_yes: float) -> list[Claim]:
    """Claims of TEXT with these probabilities; the other answer's have other keys."""
    return [
        Claim(
            key=others + name,
            answer="a",
            start=TEXT.index(PHRASES[name][0]),
            end=TEXT.index(PHRASES[name][0]) + len(PHRASES[name][0]),
            text=name,
            kind=PHRASES[name][1],
            question=f"{name}?",
            rests_on=PHRASES[name][2] and others + PHRASES[name][2],
            status="supported" if p >= 0.5 else "rejected",
            p_yes=p,
            p_no=1 - p,
        )
        for name, p in p_yes.items()
    ]


def words(spans: tuple[Span, ...]) -> list[str]:
    return [TEXT[span.start : span.end] for span in spans]


def test_rejected_claims_become_spans_and_overlapping_ones_are_joined():
    claims = said(cups=0.9, three=0.2, dog=0.1)
    assert rejected_spans(claims, "b") == (
        Span(start=0, end=5, kind="number", by="b"),
        Span(start=19, end=24, kind="object", by="b"),
    )
    claims = said(cups=0.1, three=0.2, dog=0.9)
    assert rejected_spans(claims, "b") == (Span(start=0, end=14, kind="object", by="b"),)
    assert rejected_spans(claims, "b", resting=True) == (
        Span(start=0, end=14, kind="other", by="b"),
    )


def test_what_is_supported_and_new_is_gained_without_what_is_wrong_in_it():
    claims = said(cups=0.9, three=0.2, red=0.9, dog=0.9)
    assert words(gained_spans(claims, [], TEXT, "b")) == ["red", "cups", "a dog"]
    other = said(others="o", cups=0.9, dog=0.2)
    assert words(gained_spans(claims, other, TEXT, "b")) == ["red", "a dog"]


def test_what_rests_on_a_rejected_claim_is_not_gained():
    claims = said(cups=0.2, three=0.9, left=0.9, dog=0.9)
    assert words(gained_spans(claims, [], TEXT, "b")) == ["a dog"]


def test_what_an_answer_says_twice_is_gained_once():
    first = said(dog=0.9)
    again = [first[0].model_copy(update={"key": "again", "start": 26, "end": 33})]
    assert words(gained_spans(first + again, [], TEXT, "b")) == ["a dog"]


def test_with_a_least_share_only_sure_verdicts_are_marked():
    claims = said(cups=0.95, three=0.7, red=0.3, dog=0.05)
    assert words(rejected_spans(claims, "b", sure=0.9)) == ["a dog"]
    assert words(rejected_spans(claims, "b", sure=0.7)) == ["red", "a dog"]
    assert words(gained_spans(claims, [], TEXT, "b", sure=0.9)) == ["cups"]
    assert words(gained_spans(claims, [], TEXT, "b", sure=0.7)) == ["Three", "cups"]
    bare = claims[0].model_copy(update={"p_yes": None, "p_no": None})
    assert is_sure(bare, 1.0)
