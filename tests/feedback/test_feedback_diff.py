import sys
from difflib import SequenceMatcher
from itertools import accumulate, pairwise
from typing import Any

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from groundtune.engine.changed_tokens import changed_tokens
from groundtune.feedback.diff import published_tokens, units, words
from groundtune.feedback.divide_align import align
from groundtune.feedback.matching_blocks import Block, matching_blocks
from groundtune.feedback.spans import apply
from groundtune.records import Span

ALPHABET = "ab \n.\u732b\u3042\u0e01\u0301\u200d\U0001f468\U0001f467\U0001f1eb\U0001f3fd"
TEXT = st.one_of(
    st.text(ALPHABET, max_size=25),
    st.lists(st.sampled_from(["a", "red", "car", "on", "road", ","]), max_size=12).map(" ".join),
    st.text(max_size=15),
)


def edits(rejected: str, chosen: str) -> list[tuple[str, str]]:
    """(old, new) of each change."""
    diff = words(rejected, chosen)
    return [
        (rejected[a.start : a.end], chosen[b.start : b.end])
        for a, b in zip(diff.rejected, diff.chosen, strict=True)
    ]


@given(TEXT, TEXT)
def test_the_edits_give_the_other_text_exactly_in_both_directions(rejected: str, chosen: str):
    diff = words(rejected, chosen)
    assert apply(rejected, diff.rejected) == chosen
    assert apply(chosen, diff.chosen) == rejected
    assert len(diff.rejected) == len(diff.chosen)


@given(TEXT)
def test_equal_texts_have_no_edits(text: str):
    assert words(text, text) == ((), ())


@given(TEXT, TEXT)
def test_the_edits_are_separate_and_change_something(rejected: str, chosen: str):
    diff = words(rejected, chosen)
    changed = [(rejected[s.start : s.end], s.replacement) for s in diff.rejected]
    assert all(old != new for old, new in changed)
    assert all(a.end < b.start for a, b in pairwise(diff.rejected))


@given(TEXT)
def test_units_are_the_text_in_pieces(text: str):
    assert "".join(units(text)) == text


FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
FRANCE, SPAIN = "\U0001f1eb\U0001f1f7", "\U0001f1ea\U0001f1f8"


@given(TEXT)
def test_no_unit_begins_or_ends_inside_a_grapheme_cluster(text: str):
    borders = set(accumulate(map(len, regex.findall(r"\X", text))))
    assert set(accumulate(map(len, units(text)))) <= borders


@pytest.mark.parametrize(
    ("rejected", "chosen", "found"),
    [
        (f"Flags {FRANCE}{SPAIN}.", f"Flags {FRANCE}{FRANCE}.", [(SPAIN, FRANCE)]),
        (f"Flag {FRANCE}", "Flag \U0001f1eb\U0001f1ee", [(FRANCE, "\U0001f1eb\U0001f1ee")]),
        (f"See {FAMILY}!", "See \U0001f468!", [(FAMILY, "\U0001f468")]),
        ("A cafe\u0301s door.", "A cafes door.", [("cafe\u0301s", "cafes")]),
        ("\u0928\u092e\u0938\u094d\u0924\u0947 a", "\u0928\u092e\u0915 a",
         [("\u0928\u092e\u0938\u094d\u0924\u0947", "\u0928\u092e\u0915")]),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0646\u0645 a", "\u0645\u06cc a",
         [("\u0645\u06cc\u200c\u062e\u0648\u0627\u0646\u0645", "\u0645\u06cc")]),
        ("1\ufe0f\u20e3 cat", "2\ufe0f\u20e3 cat", [("1\ufe0f\u20e3", "2\ufe0f\u20e3")]),
    ],
)  # fmt: skip
def test_words_and_characters_of_every_script_are_whole(
    rejected: str, chosen: str, found: list[tuple[str, str]]
):
    assert edits(rejected, chosen) == found


def test_tokens_of_a_combining_mark_are_part_of_the_changed_word():
    text = "A cafe\u0301s."
    offsets = [(0, 1), (1, 6), (6, 7), (7, 8), (8, 9)]
    span = Span(start=2, end=8, replacement="dog")
    assert changed_tokens(offsets, [span], text, edits="words") == (False, True, True, True, False)


def test_a_claim_is_never_aligned_to_a_part_of_a_word_or_character():
    assert align("A cafe\u0301 door.", "cafe", "It is a door.") == (8, 12)
    assert align("A cafe\u0301 door.", "cafe\u0301", "") == (2, 7)
    assert align(f"See {FAMILY} here.", "\U0001f468", "") == (4, 9)


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=8, unique=True), st.data())
def test_one_replaced_word_is_found_alone(letters: list[str], data: st.DataObject):
    place = data.draw(st.integers(0, len(letters) - 1))
    changed = [*letters[:place], "other", *letters[place + 1 :]]
    assert edits(" ".join(letters), " ".join(changed)) == [(letters[place], "other")]


@pytest.mark.parametrize(
    ("rejected", "chosen", "found"),
    [
        ("A man in a red shirt.", "A man in a blue shirt.", [("red", "blue")]),
        ("Two cats, one dog.", "Three cats, no dog.", [("Two", "Three"), ("one", "no")]),
        ("A man.", "A man sits.", [("", " sits")]),
        ("A red car.", "A car.", [("red ", "")]),
        ("", "A car.", [("", "A car.")]),
        ("A car.", "", [("A car.", "")]),
        ("cats", "cat", [("cats", "cat")]),
        ("in a corner", "near two doors", [("in a corner", "near two doors")]),
        ("a  b", "a b", [("  ", " ")]),
    ],
)
def test_edits_of_small_texts_are_whole_words(
    rejected: str, chosen: str, found: list[tuple[str, str]]
):
    assert edits(rejected, chosen) == found


UNITS = st.lists(st.sampled_from(["a", "b", "c", "d", ",", ".", " ", "  ", "\n"]), max_size=30)


@given(UNITS, UNITS)
@example([" ", "a"], [" ", "b"])
@example(["a", " ", "b", ".", " ", "a", " ", "b"], ["b", ".", " ", "a", " ", "b", "."])
def test_the_matching_blocks_are_those_of_difflib(before: list[str], after: list[str]):
    difflib = SequenceMatcher(str.isspace, before, after, autojunk=False)
    assert joined(matching_blocks(before, after)) == [
        tuple(match) for match in difflib.get_matching_blocks()[:-1]
    ]


def joined(blocks: list[Block]) -> list[tuple[int, int, int]]:
    """Join adjacent blocks, as difflib does."""
    whole: list[tuple[int, int, int]] = []
    for first, new_first, size in blocks:
        if whole and (first, new_first) == (whole[-1][0] + whole[-1][2], sum(whole[-1][1:])):
            first, new_first, size = *whole[-1][:2], whole.pop()[2] + size
        whole.append((first, new_first, size))
    return whole


class Counted(list[str]):
    """Counts how often a unit is read."""

    reads = 0

    def __getitem__(self, place: Any) -> Any:
        self.reads += 1
        return super().__getitem__(place)


def test_each_word_is_read_a_few_times_and_not_once_per_match():
    before = Counted(units(" ".join(f"the dog {n}, and" for n in range(1_000))))
    after = units(" ".join(f"the dog {n + 3}, and" for n in range(1_000)))
    assert len(matching_blocks(before, after)) > 1_000
    assert before.reads < 10 * len(before)


@given(st.text("ab \n.\u732b\u3042\u0e01\u3000\u2014\u00e9", max_size=20))
def test_units_do_not_depend_on_clusters_elsewhere_in_the_text(text: str):
    assert units(f"{text}.e\u0301") == [*units(text), ".", "e\u0301"]


def test_every_run_of_white_space_is_one_unit():
    for space in filter(str.isspace, map(chr, range(sys.maxunicode + 1))):
        assert units(f"\u00e9{space}{space}a") == ["\u00e9", space * 2, "a"]


def test_cjk_is_compared_by_character():
    cat, dog, black, sits = "\u732b", "\u72d7", "\u9ed2\u3044", "\u304c\u3044\u308b"
    assert edits(black + cat + sits, black + dog + sits) == [(cat, dog)]


def test_a_combining_accent_and_a_joined_emoji_stay_with_what_they_modify():
    assert units("cafe\u0301 x") == ["cafe\u0301", " ", "x"]
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert units(f"a {family}.") == ["a", " ", family, "."]
    assert edits("a cafe\u0301", "a cafe") == [("cafe\u0301", "cafe")]
    thumb = "\U0001f44d"
    assert edits(f"{thumb}\U0001f3fd ok", f"{thumb} ok") == [(f"{thumb}\U0001f3fd", thumb)]


def test_frequent_words_of_a_long_text_are_still_matched():
    filler = "the cat sees the dog and the bird . " * 20
    assert edits(filler + "a red end", filler + "a blue end") == [("red", "blue")]


def at(count: int) -> list[tuple[int, int]]:
    """Offsets of tokens of one character each."""
    return [(i, i + 1) for i in range(count)]


def published(rejected: list[int], chosen: list[int]) -> tuple[list[int], list[int]]:
    """Indices of the tokens that the published rule marks."""
    diff = published_tokens(rejected, chosen, at(len(rejected)), at(len(chosen)))
    return (
        [i for i, changed in enumerate(diff.rejected_changed) if changed],
        [i for i, changed in enumerate(diff.chosen_changed) if changed],
    )


def test_the_published_rule_marks_a_replaced_token():
    assert published([1, 2, 3, 9, 4, 5, 6], [1, 2, 3, 7, 8, 4, 5, 6]) == ([3], [3, 4])


def test_the_published_rule_sees_no_pure_insertion_or_deletion():
    short, long = [1, 2, 3, 4, 5, 6], [1, 2, 3, 9, 9, 4, 5, 6]
    assert published(short, long) == ([], [])
    assert published(long, short) == ([], [])


def test_the_published_rule_absorbs_matches_of_two_tokens_but_not_of_three():
    assert published([1, 2, 3, 9, 4, 5, 8], [1, 2, 3, 7, 4, 5, 6]) == ([3, 4, 5, 6], [3, 4, 5, 6])
    assert published([1, 2, 3, 9, 4, 5, 0, 8], [1, 2, 3, 7, 4, 5, 0, 6]) == ([3, 7], [3, 7])


def test_the_published_rule_drops_a_match_of_two_tokens_at_the_start_or_end():
    # The terminal block has no length: a last match of two tokens is absorbed like any other.
    assert published([1, 2, 9, 3, 4, 5], [1, 2, 8, 3, 4, 5]) == ([0, 1, 2], [0, 1, 2])
    assert published([1, 2, 3, 9, 4, 5], [1, 2, 3, 8, 4, 5]) == ([3, 4, 5], [3, 4, 5])


def test_a_prompt_before_the_answer_keeps_a_short_match_at_its_start():
    prompt = [50, 51, 52]
    assert published([*prompt, 1, 2, 9, 3, 4, 5], [*prompt, 1, 2, 8, 3, 4, 5]) == ([5], [5])


def test_from_200_tokens_on_the_published_rule_ignores_frequent_tokens_as_anchors():
    # Token 1 makes 4 of the tokens, over 1% + 1, but difflib asks only from 200 on. Without it as
    # an anchor the run of 1s between the two changes is no match, and the two changes become one.
    def sides(length: int) -> tuple[list[int], list[int]]:
        head = list(range(1000, 1000 + length - 6))
        return [*head, 7, 1, 1, 1, 1, 8], [*head, 5, 1, 1, 1, 1, 6]

    assert published(*sides(199)) == ([193, 198], [193, 198])
    assert published(*sides(200)) == (list(range(194, 200)), list(range(194, 200)))


def test_the_published_spans_are_the_characters_of_the_marked_tokens():
    # Prompt of two tokens without the first, then "a red car" or "a blue car" and the end of
    # sequence.
    rejected = published_tokens(
        [50, 51, 1, 2, 3, 4, 0],
        [50, 51, 1, 7, 8, 3, 4, 0],
        [None, None, (0, 1), (2, 5), (6, 9), (9, 10), (10, 10)],
        [None, None, (0, 1), (2, 4), (4, 6), (7, 10), (10, 11), (11, 11)],
    )
    assert [(s.start, s.end) for s in rejected.rejected] == [(2, 5)]
    assert [(s.start, s.end) for s in rejected.chosen] == [(2, 6)]
    assert rejected.rejected_changed == (False, False, False, True, False, False, False)


def test_too_few_offsets_are_refused():
    with pytest.raises(ValueError, match="3 token ids, but 2 offsets"):
        published_tokens([1, 2, 3], [1, 2, 3], at(3), at(2))


@given(st.lists(st.integers(0, 3), max_size=15), st.lists(st.integers(0, 3), max_size=15))
def test_the_published_marks_are_where_the_published_spans_are(one: list[int], other: list[int]):
    diff = published_tokens(one, other, at(len(one)), at(len(other)))
    for changed, spans in [
        (diff.rejected_changed, diff.rejected),
        (diff.chosen_changed, diff.chosen),
    ]:
        covered = {i for s in spans for i in range(s.start, s.end)}
        assert covered == {i for i, each in enumerate(changed) if each}
    assert len(diff.rejected) == len(diff.chosen)
