"""Which pairs stand in which step, and which rows in which forward pass."""

import random
from itertools import islice, pairwise

from hypothesis import given
from hypothesis import strategies as st

from groundtune.train.batches import PassLimits, PlannedRow, batches, plan_micro_batches, rows_of

sizes = st.lists(st.integers(1, 7), min_size=1, max_size=25)


def groups_of(sizes: list[int]) -> list[tuple[int, ...]]:
    """Groups of so many pairs each, numbered through."""
    numbers = iter(range(sum(sizes)))
    return [tuple(islice(numbers, size)) for size in sizes]


@given(sizes=sizes, size=st.integers(1, 12), seed=st.integers(0, 5))
def test_an_epoch_has_every_pair_once_in_full_steps(sizes: list[int], size: int, seed: int):
    pairs = sum(sizes)
    steps = -(-pairs // size)
    taken = list(islice(batches(groups_of(sizes), size, seed), 2 * steps))
    for epoch in (taken[:steps], taken[steps:]):
        assert sorted(index for batch in epoch for index in batch) == list(range(pairs))
        assert [len(batch) for batch in epoch[:-1]] == [size] * (steps - 1)


@given(sizes=sizes, size=st.integers(1, 8), seed=st.integers(0, 5), done=st.integers(0, 20))
def test_resuming_at_a_step_gives_the_same_steps(sizes: list[int], size: int, seed: int, done: int):
    groups = groups_of(sizes)
    whole = list(islice(batches(groups, size, seed), done, done + 5))
    assert list(islice(batches(groups, size, seed, done), 5)) == whole


@given(pairs=st.integers(1, 40), size=st.integers(1, 12), seed=st.integers(0, 5))
def test_with_one_pair_per_prompt_a_step_is_a_slice_of_the_shuffled_pairs(
    pairs: int, size: int, seed: int
):
    order = list(range(pairs))
    random.Random(f"{seed}/0").shuffle(order)
    steps = -(-pairs // size)
    taken = list(islice(batches([(index,) for index in range(pairs)], size, seed), steps))
    assert [index for batch in taken for index in batch] == order


@given(sizes=sizes, size=st.integers(1, 12), seed=st.integers(0, 5))
def test_at_most_one_prompt_is_divided_between_two_steps(sizes: list[int], size: int, seed: int):
    groups = groups_of(sizes)
    group_of = {index: number for number, group in enumerate(groups) for index in group}
    steps = list(islice(batches(groups, size, seed), -(-sum(sizes) // size)))
    for earlier, later in pairwise(steps):
        both = {group_of[i] for i in earlier} & {group_of[i] for i in later}
        assert len(both) <= 1


@given(groups=st.integers(1, 30), seed=st.integers(0, 5))
def test_prompts_that_fill_steps_are_never_divided(groups: int, seed: int):
    made = groups_of([2, 1, 1, 2] * groups)
    steps = list(islice(batches(made, 4, seed), len(made) * 3 // 8))
    whole = [set(group) for group in made]
    for step in steps:
        assert sum(group <= set(step) for group in whole) == sum(
            bool(group & set(step)) for group in whole
        )


def test_a_prompt_with_more_pairs_than_a_step_does_not_wait_for_the_end():
    groups = groups_of([1] * 20 + [9])
    first = [next(batches(groups, 4, seed)) for seed in range(40)]
    assert any(20 in step for step in first)


def test_seeds_and_epochs_shuffle_differently():
    singles = [(index,) for index in range(20)]
    first, second = islice(batches(singles, 20, 0), 2)
    assert first != second
    assert first != next(batches(singles, 20, 1))


def test_a_prompts_pairs_are_one_row_or_several_if_one_would_be_too_long():
    def tokens(members: list[int]) -> int:
        return 10 + 5 * len(members)

    def group_of(index: int) -> int:
        return index // 4

    batch = [5, 0, 4, 1, 2]
    assert rows_of(batch, group_of, tokens, 100) == [
        PlannedRow((5, 4), 20),
        PlannedRow((0, 1, 2), 25),
    ]
    assert rows_of(batch, group_of, tokens, 20) == [
        PlannedRow((5, 4), 20),
        PlannedRow((0, 1), 20),
        PlannedRow((2,), 15),
    ]


def test_rows_of_similar_length_share_even_micro_batches():
    rows = [PlannedRow((number,), tokens) for number, tokens in enumerate([9, 1, 5, 7, 3])]
    [[one], [two]] = plan_micro_batches(rows, PassLimits(tokens=16, pairs=9))
    assert [row.tokens for row in one.rows] == [9, 7]
    assert [row.tokens for row in two.rows] == [5, 3, 1]
    [both] = plan_micro_batches(rows, PassLimits(tokens=100, pairs=9), processes=2)
    assert [sum(row.tokens for row in portion.rows) for portion in both] == [16, 9]


@given(
    lengths=st.lists(st.tuples(st.integers(1, 50), st.integers(1, 4)), min_size=1, max_size=20),
    tokens=st.integers(1, 120),
    pairs=st.integers(1, 9),
    processes=st.integers(1, 4),
)
def test_every_row_counts_once_and_processes_run_equally_often(
    lengths: list[tuple[int, int]], tokens: int, pairs: int, processes: int
):
    numbers = iter(range(1000))
    rows = [PlannedRow(tuple(islice(numbers, many)), length) for length, many in lengths]
    planned = plan_micro_batches(rows, PassLimits(tokens, pairs), processes)
    assert all(len(each) == processes for each in planned)
    portions = [portion for each in planned for portion in each]
    assert sorted(row for p in portions if p.counts for row in p.rows) == sorted(rows)
    for portion in portions:
        assert portion.rows
        if len(portion.rows) > 1:
            assert sum(row.tokens for row in portion.rows) <= tokens
            assert sum(len(row.pairs) for row in portion.rows) <= pairs


def test_a_process_without_rows_runs_one_that_does_not_count():
    rows = [PlannedRow((0, 1), 30), PlannedRow((2,), 10)]
    [first] = plan_micro_batches(rows, PassLimits(tokens=100, pairs=9), processes=3)
    assert [portion.counts for portion in first] == [True, True, False]
    assert first[2].rows == (PlannedRow((2,), 10),)
