"""From changed characters to changed tokens."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.engine.rows import changed_tokens
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


def test_an_empty_span_marks_nothing_wherever_it_stands():
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


def test_commas_and_conjunctions_that_moved_do_not_count_as_words():
    text = "a cup, a cat and a dog"
    letters = [(i, i + 1) for i in range(len(text))]
    moved, gone = span(5, 7, " and "), span(12, 22, "")
    marked = changed_tokens(letters, [moved, gone], text, edits="words")
    assert [i for i, changed in enumerate(marked) if changed] == list(range(12, 22))
    assert any(changed_tokens(letters, [moved], text))
    assert any(changed_tokens(letters, [span(5, 7, " and no ")], text, edits="words"))
    assert any(changed_tokens(letters, [span(5, 7)], text, edits="words"))  # other side unknown


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
