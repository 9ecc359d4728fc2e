from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.feedback.spans import apply, check, invert, merge, shift
from groundtune.records import Span

# Letters, spaces, CJK, a combining accent, a joined family, a flag, and a skin tone.
ALPHABET = "ab \n.\u732b\u3042\u0301\u200d\U0001f468\U0001f467\U0001f1eb\U0001f3fd"
TEXT = st.text(ALPHABET, max_size=25)


@st.composite
def edited_texts(draw: st.DrawFn) -> tuple[str, tuple[Span, ...]]:
    """A text and edits of it: replacements, insertions and deletions, touching ones too."""
    text = draw(TEXT)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    bounds = list(zip(cuts[::2], cuts[1::2], strict=False))
    spans = tuple(Span(start=a, end=b, replacement=draw(TEXT)) for a, b in bounds)
    return text, spans


def edit(start: int, end: int, replacement: str | None, **more: object) -> Span:
    return Span.model_validate({"start": start, "end": end, "replacement": replacement, **more})


def test_a_replacement_an_insertion_and_a_deletion_give_the_corrected_text():
    text = "Two red cars stand on the road today."
    spans = [edit(0, 3, "Three"), edit(12, 12, " and a bus"), edit(30, 36, "")]
    assert apply(text, spans) == "Three red cars and a bus stand on the road."


def test_inverted_spans_say_where_the_corrected_characters_are():
    text = "Two red cars stand on the road today."
    spans = [edit(0, 3, "Three", kind="number"), edit(12, 12, " and a bus"), edit(30, 36, "")]
    inverted = invert(text, spans)
    corrected = apply(text, spans)
    assert [(s.start, s.end) for s in inverted] == [(0, 5), (14, 24), (42, 42)]
    assert [corrected[s.start : s.end] for s in inverted] == ["Three", " and a bus", ""]
    assert [s.replacement for s in inverted] == ["Two", "", " today"]
    assert inverted[0].kind == "number"


@given(edited_texts())
def test_inverting_undoes_the_edits(case: tuple[str, tuple[Span, ...]]):
    text, spans = case
    corrected = apply(text, spans)
    inverted = invert(text, spans)
    assert apply(corrected, inverted) == text
    assert invert(corrected, inverted) == spans
    assert [corrected[s.start : s.end] for s in inverted] == [s.replacement for s in spans]


@given(edited_texts(), TEXT)
def test_edits_shifted_behind_a_prefix_edit_the_same_characters(
    case: tuple[str, tuple[Span, ...]], prefix: str
):
    text, spans = case
    moved = shift(spans, len(prefix))
    assert apply(prefix + text, moved) == prefix + apply(text, spans)
    assert shift(moved, -len(prefix)) == spans


@given(edited_texts(), st.integers(0, 5))
def test_merged_edits_give_the_same_text_and_are_further_apart_than_the_gap(
    case: tuple[str, tuple[Span, ...]], gap: int
):
    text, all_spans = case
    spans = tuple({(s.start, s.end): s for s in all_spans}.values())
    merged = merge(text, spans, gap=gap)
    assert apply(text, merged) == apply(text, spans)
    assert all(b.start - a.end > gap for a, b in pairwise(merged))


@given(st.data())
def test_merging_overlapping_spans_covers_each_character_that_any_covers(data: st.DataObject):
    text = data.draw(TEXT)
    place = st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).map(sorted)
    spans = [Span(start=a, end=b) for a, b in data.draw(st.lists(place, max_size=6))]
    merged = merge(text, spans)
    assert {i for s in merged for i in range(s.start, s.end)} == {
        i for s in spans for i in range(s.start, s.end)
    }


def test_spans_that_contradict_each_other_merge_without_a_replacement():
    both = merge("a red car", [edit(2, 5, "blue", by="x"), edit(2, 9, "green bus", by="y")])
    assert both == (Span(start=2, end=9, replacement=None, by="x+y"),)


def test_two_annotators_who_agree_give_one_span_with_the_higher_severity():
    one = edit(2, 5, "blue", kind="attribute", severity=0.2, by="x")
    other = edit(2, 5, "blue", kind="attribute", severity=0.7, by="y")
    assert merge("a red car", [one, other]) == (
        edit(2, 5, "blue", kind="attribute", severity=0.7, by="x+y"),
    )


@pytest.mark.parametrize(
    ("spans", "complaint"),
    [
        ([edit(0, 4, "x")], r"span 1 \[0, 4\) leaves the text, which has 3"),
        ([edit(0, 2, "x"), edit(1, 3, "y")], r"span 2 \[1, 3\) overlaps"),
        ([edit(2, 3, "x"), edit(0, 1, "y")], r"span 2 \[0, 1\) overlaps .* or is out of order"),
        ([edit(0, 1, None)], r"span 1 \[0, 1\) has no replacement"),
    ],
)
def test_spans_that_are_no_edits_of_the_text_are_refused_by_name(spans: list[Span], complaint: str):
    with pytest.raises(ValueError, match=complaint):
        check("abc", spans)


def test_a_span_shifted_out_of_the_text_is_refused():
    with pytest.raises(ValueError, match="leaves the text"):
        shift([edit(2, 3, "")], -3)


def test_the_empty_text_takes_an_insertion():
    spans = [edit(0, 0, "\U0001f468\u200d\U0001f467")]
    assert apply("", spans) == "\U0001f468\u200d\U0001f467"
    assert apply("", []) == ""
