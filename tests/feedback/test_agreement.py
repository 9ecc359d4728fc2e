"""Agreement against hand computations, published examples and figures of other programs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.feedback.agreement.alpha import Unit, added, alpha_of, unit_sums, value_sums
from groundtune.feedback.agreement.marks import matched, normalised, rewritten, units_of
from groundtune.feedback.agreement.results import (
    MarkedText,
    Preference,
    choice_sums,
    overlap,
    text_sums,
)
from groundtune.records import Side, Span

TEXT = "A dog and two cats sit on a red sofa."


def span(words: str, replacement: str | None = None, kind: str = "object") -> Span:
    start = TEXT.index(words)
    return Span.model_validate(
        {"start": start, "end": start + len(words), "kind": kind, "replacement": replacement}
    )


def said(*spans: Span, unsure: bool = False) -> MarkedText:
    return MarkedText(spans, "unsure" if unsure else "wrong" if spans else "nothing_wrong")


def test_alpha_of_values_is_that_of_krippendorff_s_example():
    # Krippendorff 2011, section C: four people, twelve units, nominal; unit 12 has one value.
    rows = [
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    ]
    units = [[v for v in unit if v != "."] for unit in zip(*(r.split() for r in rows), strict=True)]
    found = alpha_of("v", added([value_sums("v", unit) for unit in units]))
    assert found == pytest.approx(0.743, abs=5e-4)


def test_alpha_of_two_people_by_hand():
    # 10 units, two values: 6 x aa, 1 x bb, 3 x ab. n_a = 15, n_b = 5, n = 20.
    # Observed: 6 unequal ordered pairs. Expected: 2 x 15 x 5 / 19.
    sums = added([value_sums("v", list(pair)) for pair in ["aa"] * 6 + ["bb"] + ["ab"] * 3])
    assert alpha_of("v", sums) == pytest.approx(1 - 6 / (150 / 19))


def test_unitising_alpha_by_hand():
    # Ten characters; one person marks [2, 5), the other [3, 6): 2 in common, 2 by one only.
    # n = 20, marked 6, gaps 14; unequal ordered pairs 4; squares 9 + 9 and 14 for the gaps.
    sums = unit_sums("u", 10, [[Unit(2, 5, "m")], [Unit(3, 6, "m")]])
    expected = 20 * (20**2 - 6**2 - 14**2) / (20**2 - 32)
    assert alpha_of("u", sums) == pytest.approx(1 - 4 / expected)


def test_a_unit_is_never_paired_with_itself():
    # With units of one character there is no difference to alpha of ten units with two values.
    sums = unit_sums("u", 10, [[Unit(2, 3, "m")], [Unit(4, 5, "m")]])
    values = ["m-", "-m"] + ["--"] * 8
    by_value = added([value_sums("u", list(pair)) for pair in values])
    assert alpha_of("u", sums) == pytest.approx(alpha_of("u", by_value))


def test_people_who_agree_on_everything_have_alpha_one_marked_or_not():
    for units in ([Unit(2, 5, "m")], []):
        assert alpha_of("u", unit_sums("u", 10, [units, units])) == 1.0
    assert alpha_of("v", value_sums("v", ["a", "a"])) == 1.0


def test_what_one_person_judged_says_nothing():
    assert value_sums("v", ["a"]) == {}
    assert unit_sums("u", 10, [[Unit(2, 5, "m")]]) == {}
    assert alpha_of("v", {}) is None
    assert text_sums(TEXT, [said(span("dog"))]) == {}


def test_the_characters_of_two_people_by_hand():
    # "dog" and "two cats" (11 characters) against "cats" and "red" (7): 4 in common.
    ours, theirs = [span("dog"), span("two cats")], [span("cats"), span("red")]
    found = overlap(len(TEXT), ours, theirs)
    assert found.precision == pytest.approx(4 / 11)
    assert found.recall == pytest.approx(4 / 7)
    assert found.f1 == pytest.approx(8 / 18)


def test_answers_in_which_nobody_marks_anything_count_as_agreement():
    sums = added([text_sums(TEXT, [said(), said()]), text_sums(TEXT, [said(span("dog")), said()])])
    assert (sums["f1"], sums["of f1"]) == (1.0, 2.0)
    # wrong, right / right, right: n = 4, 3 of one kind; 2 unequal pairs; expected 2 x 3 / 3.
    assert alpha_of("wrong", sums) == pytest.approx(0.0)
    assert sums["either"] == 3.0


def test_people_who_mark_other_things_do_not_agree():
    texts = [
        text_sums(TEXT, [said(span("dog"), span("red")), said(span("cats"), span("sofa"))]),
        text_sums(TEXT, [said(span("two")), said()]),
        text_sums(TEXT, [said(), said(span("sit"))]),
    ]
    sums = added(texts)
    places = alpha_of("places", sums)
    assert places is not None
    assert places < 0
    assert (sums["f1"], sums["both"]) == (0.0, 0.0)
    assert "of text" not in sums


def test_kinds_of_spans_that_overlap_by_hand():
    # Three pairs: object and object, number and number, attribute and object.
    ours = said(span("dog"), span("two", kind="number"), span("red", kind="attribute"))
    theirs = said(span("A dog"), span("two cats", kind="number"), span("red sofa"))
    sums = text_sums(TEXT, [ours, theirs])
    assert {name: value for name, value in sums.items() if name.startswith("kinds = ")} == {
        "kinds = object": 3.0,
        "kinds = number": 2.0,
        "kinds = attribute": 1.0,
    }
    assert alpha_of("kinds", sums) == pytest.approx(1 - 2 * 5 / (36 - 9 - 4 - 1))


def test_replacements_are_compared_where_both_changed_the_text():
    ours = said(span("dog", "cat"), span("two cats", "three cats"), span("red", "green"))
    theirs = said(span("A dog", "A  Cat"), span("two", "three"), span("red sofa", "blue sofa"))
    sums = text_sums(TEXT, [ours, theirs])
    assert (sums["same text"], sums["of text"]) == (2.0, 3.0)


def test_a_place_is_as_wide_as_both_people_changed_it():
    ours = [span("dog", "cat"), span("two", "three")]
    theirs = [span("dog and two cats", "cat and three cats")]
    (pair,) = matched(len(TEXT), ours, theirs)
    assert rewritten(TEXT, pair, ours, theirs) == ("cat and three cats", "cat and three cats")
    marked = [span("dog")]
    assert rewritten(TEXT, (marked[0], theirs[0]), marked, theirs) is None


def test_texts_are_equal_up_to_case_blanks_and_marks():
    assert normalised(" A  Red\tsofa. ") == "a red sofa"
    assert normalised("red") != normalised("a red")


def test_an_insertion_counts_as_the_character_next_to_it():
    insertion = Span(start=2, end=2, replacement="big ")
    at_end = Span(start=len(TEXT), end=len(TEXT), replacement=" It is big.")
    assert [unit[:2] for unit in units_of(len(TEXT), [insertion, at_end])] == [(2, 3), (36, 37)]
    assert overlap(len(TEXT), [insertion], [insertion]).f1 == 1.0
    sums = text_sums(TEXT, [said(insertion), said(insertion)])
    assert (sums["same text"], alpha_of("places", sums)) == (1.0, 1.0)


def test_who_can_t_tell_counts_for_the_verdict_only():
    sums = text_sums(TEXT, [said(span("dog")), said(unsure=True)])
    assert {name.split(" ")[0] for name in sums} == {"wrong"}


def test_choices_by_hand():
    # first first, first second, tie tie: n = 6 (3, 1, 2), two unequal ordered pairs.
    votes: list[tuple[Side, Side]] = [("first", "first"), ("first", "second"), ("tie", "tie")]
    sums = added([choice_sums([Preference(a), Preference(b)]) for a, b in votes])
    assert (sums["same better"], sums["of better"]) == (2.0, 3.0)
    assert alpha_of("better", sums) == pytest.approx(1 - 2 * 5 / (36 - 9 - 1 - 4))
    assert alpha_of("more", sums) is None


SPANS = st.lists(st.tuples(st.integers(0, 29), st.integers(1, 6)), max_size=5)


def apart(drawn: list[tuple[int, int]]) -> list[Span]:
    found: list[Span] = []
    for start, length in sorted(drawn):
        if not found or start >= found[-1].end:
            found.append(Span(start=start, end=min(30, start + length)))
    return found


@given(SPANS, SPANS)
def test_no_other_way_to_pair_spans_has_more_in_common(
    a: list[tuple[int, int]], b: list[tuple[int, int]]
):
    first, second = apart(a), apart(b)

    def common(x: Span, y: Span) -> int:
        return max(0, min(x.end, y.end) - max(x.start, y.start))

    def best(i: int, free: frozenset[int]) -> int:
        if i == len(first):
            return 0
        with_one = [common(first[i], second[j]) + best(i + 1, free - {j}) for j in free]
        return max([best(i + 1, free), *with_one])

    pairs = matched(30, first, second)
    assert sum(common(*pair) for pair in pairs) == best(0, frozenset(range(len(second))))
    assert all(common(*pair) for pair in pairs)
    assert len({id(one) for pair in pairs for one in pair}) == 2 * len(pairs)


@given(SPANS, SPANS)
def test_agreement_does_not_depend_on_who_is_first(
    a: list[tuple[int, int]], b: list[tuple[int, int]]
):
    text = "ab cd. " * 5
    ours, theirs = (MarkedText(tuple(apart(each)), "wrong") for each in (a, b))
    assert text_sums(text, [ours, theirs]) == pytest.approx(text_sums(text, [theirs, ours]))
