"""From changed characters to changed tokens."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.engine.changed_tokens import Edits, changed_tokens, counted_tokens
from groundtune.records import Span
from groundtune.vlm.encode import encode_answer
from groundtune.vlm.load import Vlm, load


@pytest.fixture(scope="module")
def vlm(tiny_llava: Path) -> Vlm:
    return load(str(tiny_llava))


def span(start: int, end: int, replacement: str | None = None) -> Span:
    return Span(start=start, end=end, replacement=replacement)


OFFSETS = ((0, 3), (3, 7), (7, 8), (8, 12), (12, 12))


def test_a_token_with_any_changed_character_is_changed():
    assert changed_tokens(OFFSETS, [span(6, 8)]) == (False, True, True, False, False)
    assert changed_tokens(OFFSETS, [span(3, 7)]) == (False, True, False, False, False)
    assert changed_tokens(OFFSETS, [span(0, 1), span(11, 12)]) == (True, False, False, True, False)


def test_the_end_token_is_never_changed():
    assert changed_tokens(OFFSETS, [span(0, 12)]) == (True, True, True, True, False)


def test_an_empty_span_marks_nothing_wherever_it_is():
    assert not any(
        changed_tokens(OFFSETS, [span(position, position, "x") for position in (0, 3, 5, 12)])
    )


def test_the_published_rule_leaves_out_pure_insertions_and_deletions():
    deleted, replaced = span(3, 7, ""), span(8, 12, "new")
    assert changed_tokens(OFFSETS, [deleted, replaced]) == (False, True, False, True, False)
    assert changed_tokens(OFFSETS, [deleted, replaced], edits="published") == (
        False,
        False,
        False,
        True,
        False,
    )
    assert any(changed_tokens(OFFSETS, [span(3, 7)], edits="published"))  # other side unknown


def changed_words(text: str, *spans: Span) -> list[str]:
    """The words of a text that `edits="words"` calls changed."""
    found = list(re.finditer(r"\w+|[^\w\s]", text))
    marks = changed_tokens([word.span() for word in found], spans, text, edits="words")
    return [word[0] for word, marked in zip(found, marks, strict=True) if marked]


def test_of_what_was_taken_out_the_words_count_that_say_something_of_the_image():
    text = "a cup, a cat and a dog"
    moved, gone = span(5, 7, " and "), span(12, 22, "")
    assert changed_words(text, moved, gone) == ["dog"]
    assert changed_words("There is also a red cup.", span(0, 24, "")) == ["red", "cup"]
    assert changed_words(text, span(5, 14, " and ")) == ["cat"]
    assert changed_words(text, span(5, 22)) == ["cat", "dog"]  # other side unknown


def left_out(text: str, *spans: Span, edits: Edits = "words") -> list[str]:
    """The words of a text that don't count; the end token as the empty string."""
    found = [word.span() for word in re.finditer(r"\w+|[^\w\s]", text)]
    found.append((len(text), len(text)))
    marks = counted_tokens(found, spans, text, edits=edits)
    return [
        text[start:end] for (start, end), counted in zip(found, marks, strict=True) if not counted
    ]


def test_what_came_or_went_only_along_with_a_word_does_not_count():
    text = "a cup, a cat and a dog."
    moved, gone = span(5, 7, " and "), span(12, 22, "")
    assert left_out(text, moved, gone) == [",", "and", "a"]
    assert left_out("a cup and a cat.", span(5, 10, ", ")) == ["and"]
    assert left_out("There is a cat.", span(9, 14, "two cats")) == []
    assert left_out(text, span(5, 14)) == []  # no edit: only a mark
    for edits in ("all", "published"):
        assert left_out(text, moved, gone, edits=edits) == []


def test_alone_nothing_but_the_changed_tokens_counts():
    text = "a cup and a dog"
    assert left_out(text, span(12, 15), edits="alone") == ["a", "cup", "and", "a", ""]
    assert left_out(text, edits="alone") == ["a", "cup", "and", "a", "dog", ""]


def test_the_end_token_counts_unless_the_end_was_cut_off_or_added():
    longer, shorter = "A cat. There is also a dog.", "A cat."
    assert left_out(longer, span(6, 27, "")) == ["There", "is", "also", "a", ".", ""]
    assert left_out(shorter, span(6, 6, " There is also a dog.")) == [""]
    assert left_out("A cat. A dog", span(9, 12, "cup")) == []
    assert left_out(longer, span(0, 7, "")) == ["A", "."]


def test_where_both_sides_say_something_every_word_counts():
    assert changed_words("There is a cat.", span(9, 14, "two cats")) == ["a", "cat"]
    assert changed_words("It is on the left.", span(6, 17, "at the top")) == ["on", "the", "left"]
    assert changed_words("There is no cat.", span(9, 11, "a")) == ["no"]
    assert changed_words("There is a cat.", span(9, 10, "no")) == ["a"]
    assert changed_words("a cup and a dog", span(5, 10, ", a cat, ")) == []
    assert changed_words("\u72d7\u3001\u732b\u3002", span(2, 3, "")) == [
        "\u72d7\u3001\u732b\u3002"[2]
    ]


def test_every_byte_token_of_a_changed_emoji_is_changed(vlm: Vlm):
    text = "A dog \U0001f436 \u72d7 cup."
    encoded = encode_answer(vlm, text)
    at = text.index("\U0001f436")
    changed = changed_tokens(encoded.offsets, [span(at, at + 1)])
    assert sum(changed) >= 4 - 1  # 4 bytes, the first of which may share a token with the space
    assert [o for o, c in zip(encoded.offsets, changed, strict=True) if c] == [
        o for o in encoded.offsets if o[0] <= at < o[1]
    ]


pieces = st.sampled_from(
    [
        "red ",
        "two cups ",
        "dog, ",
        "\U0001f436",
        "\u72d7",
        "e\u0301 ",
        "\U0001f468\u200d\U0001f469",
        "a",
        " ",
    ]
)
texts = st.lists(pieces, max_size=8).map("".join)


@given(before=texts, changed=texts, after=texts)
def test_the_changed_tokens_cover_the_changed_characters_and_no_token_without_one(
    vlm: Vlm, before: str, changed: str, after: str
):
    encoded = encode_answer(vlm, before + changed + after)
    marks = changed_tokens(encoded.offsets, [span(len(before), len(before) + len(changed))])
    inside = set(range(len(before), len(before) + len(changed)))
    covered: set[int] = set()
    for (start, end), mark in zip(encoded.offsets, marks, strict=True):
        assert mark == bool(inside & set(range(start, end)))
        covered |= set(range(start, end)) if mark else set()
    assert inside <= covered
