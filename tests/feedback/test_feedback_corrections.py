import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.errors import UserError
from groundtune.feedback.corrections import (
    correction_from_texts,
    correction_key,
    pair_from_correction,
)
from groundtune.feedback.spans import apply
from groundtune.records import Answer, Correction, Pair, Producer, Source, Span

PERSON = Producer(kind="person", name="ada")
SOURCE = Source(dataset="here", licence="cc-by-4.0")


def answer(text: str, key: str = "a1") -> Answer:
    return Answer(key=key, prompt="p1", text=text, producer=Producer(kind="model", name="base"))


def correction(text: str, corrected: str, *spans: Span) -> Correction:
    return Correction(
        key="c1", prompt="p1", answer="a1", text=text, spans=spans, corrected=corrected, by=PERSON
    )


def test_a_correction_makes_a_pair_with_the_spans_of_both_texts():
    made = pair_from_correction(
        correction(
            "A dog and two cats.",
            "A black dog and three cats.",
            Span(start=2, end=2, replacement="black ", kind="attribute", by="ada"),
            Span(start=10, end=13, replacement="three", kind="number", by="ada"),
        ),
        SOURCE,
    )
    assert isinstance(made, Pair)
    assert (made.chosen, made.rejected) == ("A black dog and three cats.", "A dog and two cats.")
    assert [made.rejected[s.start : s.end] for s in made.rejected_spans] == ["", "two"]
    assert [made.chosen[s.start : s.end] for s in made.chosen_spans] == ["black ", "three"]
    assert [s.kind for s in made.chosen_spans] == ["attribute", "number"]
    assert made.parents == ("c1", "a1")
    assert made.source.licence == "cc-by-4.0"


def test_a_deletion_has_an_empty_span_in_the_chosen_text():
    made = pair_from_correction(
        correction("A red car.", "A car.", Span(start=2, end=6, replacement="")), SOURCE
    )
    assert isinstance(made, Pair)
    assert [(s.start, s.end) for s in made.rejected_spans] == [(2, 6)]
    assert [(s.start, s.end) for s in made.chosen_spans] == [(2, 2)]


@pytest.mark.parametrize(
    ("text", "corrected", "spans", "why"),
    [
        ("A car.", "A car.", (), "unchanged"),
        ("A car.", "A car.", (Span(start=2, end=5, replacement="car"),), "unchanged"),
        ("A car.", "", (Span(start=0, end=6, replacement=""),), "empty_chosen"),
        ("A car.", " ", (Span(start=0, end=6, replacement=" "),), "empty_chosen"),
        ("", "", (), "empty_rejected"),
        ("\n", "A car.", (Span(start=0, end=1, replacement="A car."),), "empty_rejected"),
    ],
)
def test_a_correction_without_two_different_texts_makes_no_pair(
    text: str, corrected: str, spans: tuple[Span, ...], why: str
):
    assert pair_from_correction(correction(text, corrected, *spans), SOURCE) == why


def test_spans_that_do_not_give_the_corrected_text_are_an_error_naming_the_correction():
    wrong = correction("A car.", "A bus.", Span(start=2, end=5, replacement="van"))
    with pytest.raises(UserError, match="spans don't give its corrected text") as caught:
        pair_from_correction(wrong, SOURCE)
    assert caught.value.where == "correction c1 of answer a1"


def test_a_span_without_a_replacement_is_an_error_naming_the_span():
    with pytest.raises(UserError, match=r"span 1 \[2, 5\) has no replacement"):
        pair_from_correction(correction("A car.", "A .", Span(start=2, end=5)), SOURCE)


def test_the_key_of_a_correction_says_which_answer_and_who():
    keys = {
        correction_key("a1", PERSON),
        correction_key("a2", PERSON),
        correction_key("a1", PERSON.model_copy(update={"seed": 1})),
    }
    assert len(keys) == 3
    assert correction_from_texts(answer("x"), "y", PERSON).key in keys


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_correction_from_two_texts_is_one_whose_pair_can_be_made(text: str, corrected: str):
    made = correction_from_texts(answer(text), corrected, PERSON)
    assert apply(text, made.spans) == corrected
    pair = pair_from_correction(made, SOURCE)
    if isinstance(pair, Pair):
        assert apply(pair.chosen, pair.chosen_spans) == text
        assert pair.chosen != pair.rejected
    else:
        assert corrected == text or not text.strip() or not corrected.strip()


def test_an_unsure_annotator_makes_no_pair():
    edit = Span(start=2, end=5, replacement="cat")
    unsure = correction("A dog.", "A cat.", edit).model_copy(update={"verdict": "unsure"})
    assert pair_from_correction(unsure, SOURCE) == "unsure"


def test_a_verdict_that_contradicts_the_spans_is_refused():
    said = correction("A dog.", "A cat.", Span(start=2, end=5, replacement="cat"))
    with pytest.raises(ValueError, match="nothing is wrong"):
        Correction.model_validate({**said.model_dump(), "verdict": "nothing_wrong"})
