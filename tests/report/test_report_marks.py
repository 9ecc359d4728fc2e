import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.records import Span
from groundtune.report.examples import ExampleAnswer
from groundtune.report.marks import pieces, summary

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


def test_marks_are_on_the_right_characters_of_a_text_with_wide_ones() -> None:
    text = f"{FAMILY} \u4e00\u53ea\u732b e\u0301 vase"
    start = text.index("\u732b")
    cut = pieces(text, [Span(start=start, end=start + 1, kind="object")])
    assert [(p.text, p.kind) for p in cut] == [
        (text[:start], ""),
        ("\u732b", "object"),
        (text[start + 1 :], ""),
    ]


def test_a_missing_word_is_a_piece_without_text() -> None:
    cut = pieces("a cup", [Span(start=2, end=2, kind="number", replacement="red ")])
    assert [p.text for p in cut] == ["a ", "", "cup"]
    assert cut[1].title == "number: something is missing here; should be \u201cred\u201d"


def test_a_title_names_kind_replacement_and_who_says_so() -> None:
    span = Span(start=0, end=3, kind="position", replacement="on the right", by="annotator")
    title = pieces("top", [span])[0].title
    assert title == "position: wrong place; should be \u201con the right\u201d (annotator)"


def test_a_summary_counts_by_kind_in_the_order_of_the_legend() -> None:
    spans = [Span(start=0, end=1, kind=kind) for kind in ("number", "object", "object")]
    assert summary(spans) == "3 wrong: 2 object, 1 number"
    assert summary([]) == ""


def test_a_span_beyond_the_text_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves a text of 3"):
        ExampleAnswer(model="m", text="abc", spans=(Span(start=2, end=4),))


@st.composite
def texts_with_spans(draw: st.DrawFn) -> tuple[str, list[Span]]:
    text = draw(st.text(max_size=40))
    places = st.integers(0, len(text))
    ends = draw(st.lists(st.tuples(places, places), max_size=6))
    return text, [Span(start=min(pair), end=max(pair), kind="object") for pair in ends]


@given(texts_with_spans())
def test_pieces_joined_are_the_text_and_marks_cover_what_the_spans_cover(
    case: tuple[str, list[Span]],
) -> None:
    text, spans = case
    cut = pieces(text, spans)
    assert "".join(piece.text for piece in cut) == text
    marked = [bool(piece.kind) for piece in cut for _ in piece.text]
    wanted = [any(s.start <= i < s.end for s in spans) for i in range(len(text))]
    assert marked == wanted
