"""Where tokens of packed rows stand, what each of them sees, and attention by segments."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from groundtune.engine.attention import by_segment, dense_mask, segment_mask
from groundtune.engine.layout import PackedLayout, lay_out, merge, pack_row, packed_tokens
from groundtune.engine.rows import PromptRow
from groundtune.vlm.encoded import EncodedAnswer, EncodedPrompt

END = 9
answers = st.lists(st.lists(st.integers(1, 3), max_size=6), min_size=1, max_size=5).map(
    lambda each: tuple((*ids, END) for ids in each)
)
rows = st.lists(st.tuples(st.integers(1, 5), answers), min_size=1, max_size=4)
shared = st.integers(0, 3)


def prompt(length: int) -> EncodedPrompt:
    return EncodedPrompt(ids=tuple(range(20, 20 + length)), features={})


def laid(given_rows: list[tuple[int, tuple[tuple[int, ...], ...]]], start: int) -> PackedLayout:
    packed = [pack_row(prompt(n), ids, share_starts=start) for n, ids in given_rows]
    return lay_out(packed, 0)


@settings(max_examples=40)
@given(given_rows=rows, start=shared)
def test_a_token_sees_its_prompt_and_its_own_answer_so_far_and_nothing_else(
    given_rows: list[tuple[int, tuple[tuple[int, ...], ...]]], start: int
):
    layout = laid(given_rows, start)
    length = layout.ids_BL.shape[1]
    mask = dense_mask(layout)[:, 0]
    for i, row in enumerate(layout.rows):
        for answer in row.answers:
            for t, place in enumerate(layout.reads(i, answer)):
                b, q = divmod(place, length)
                seen = mask[b, q]
                assert tuple(layout.ids_BL[b][seen].tolist()) == (*row.prompt.ids, *answer[:t])
                order = layout.order_BL[b][seen].tolist()
                assert order == list(range(len(row.prompt.ids) + t))
    assert mask.diagonal(dim1=1, dim2=2).all()  # no token sees nothing, not even padding


@settings(max_examples=40)
@given(given_rows=rows, start=shared)
def test_no_token_is_lost_or_run_twice(
    given_rows: list[tuple[int, tuple[tuple[int, ...], ...]]], start: int
):
    layout = laid(given_rows, start)
    run = int((layout.segment_BL < len(layout.spans)).sum())
    assert run == sum(row.tokens for row in layout.rows)
    apart = [packed_tokens(n, [len(ids) for ids in set(each)]) for n, each in given_rows]
    assert run <= sum(apart)
    if start == 0:
        assert run == sum(apart)
    if start == 1:  # then it is the number of different beginnings
        starts = [{ids[:t] for ids in each for t in range(1, len(ids))} for _, each in given_rows]
        assert run == sum(n + len(own) for (n, _), own in zip(given_rows, starts, strict=True))
    assert layout.ids_BL.shape[1] == max(row.tokens for row in layout.rows)


def test_short_rows_share_a_sequence_next_to_a_long_one():
    each = [pack_row(prompt(n), [(END,)]) for n in (3, 10, 4, 2, 6)]
    layout = lay_out(each, 0)
    assert layout.ids_BL.shape == (3, 10)  # 10 | 6 + 4 | 3 + 2
    assert lay_out(each, 0, one_sequence=True).ids_BL.shape == (1, 25)


def test_rows_of_one_prompt_become_one_and_equal_answers_are_kept_once():
    own, other = prompt(3), prompt(3)
    first = EncodedAnswer(ids=(1, END), offsets=((0, 1), (1, 1)))
    second = EncodedAnswer(ids=(2, END), offsets=((0, 1), (1, 1)))
    packed = merge(
        [
            PromptRow(own, (first, second)),
            PromptRow(other, (first,)),
            PromptRow(own, (second, first)),
        ]
    )
    assert [list(row.answers) for row in packed] == [[(1, END), (2, END)], [(1, END)]]


@settings(max_examples=40)
@given(given_rows=rows, start=shared)
def test_attention_by_segments_is_that_of_the_dense_mask(
    given_rows: list[tuple[int, tuple[tuple[int, ...], ...]]], start: int
):
    packed = [pack_row(prompt(n), ids, share_starts=start) for n, ids in given_rows]
    layout = lay_out(packed, 0, one_sequence=True)
    generator = torch.Generator().manual_seed(0)
    length = layout.ids_BL.shape[1]
    query = torch.randn(1, 4, length, 8, generator=generator)
    key, value = torch.randn(2, 1, 2, length, 8, generator=generator)
    rows_of_mask = segment_mask(layout)[0, 0].tolist()
    found = by_segment(query, key, value, rows_of_mask, scaling=0.3)
    exact = scaled_dot_product_attention(
        query, key, value, attn_mask=dense_mask(layout), scale=0.3, enable_gqa=True
    )
    torch.testing.assert_close(found, exact, atol=1e-5, rtol=0)
