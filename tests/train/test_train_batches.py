"""Which pairs stand in which step."""

from itertools import islice

import torch
from hypothesis import given
from hypothesis import strategies as st

from groundtune.engine.rows import EncodedPair
from groundtune.train.batches import TrainingPair, batches, collate, micro_batches
from groundtune.vlm.encode import EncodedAnswer, EncodedPrompt


@given(pairs=st.integers(1, 40), size=st.integers(1, 12), seed=st.integers(0, 5))
def test_an_epoch_has_every_pair_once(pairs: int, size: int, seed: int):
    steps = -(-pairs // size)
    for epoch in range(2):
        taken = islice(batches(pairs, size, seed), epoch * steps, (epoch + 1) * steps)
        assert sorted(index for batch in taken for index in batch) == list(range(pairs))


@given(
    pairs=st.integers(1, 30),
    size=st.integers(1, 8),
    seed=st.integers(0, 5),
    done=st.integers(0, 20),
)
def test_going_on_at_a_step_gives_what_would_have_come(pairs: int, size: int, seed: int, done: int):
    whole = list(islice(batches(pairs, size, seed), done, done + 5))
    assert list(islice(batches(pairs, size, seed, done), 5)) == whole


def test_seeds_and_epochs_shuffle_differently():
    first, second = islice(batches(20, 20, 0), 2)
    assert first != second
    assert first != next(batches(20, 20, 1))


def test_micro_batches_hold_every_pair_once_sorted_by_length():
    lengths = [9, 1, 5, 7, 3]
    assert micro_batches([4, 0, 1, 3, 2], 2, lengths.__getitem__) == [[1, 4], [2, 3], [0]]


def answer(length: int) -> EncodedAnswer:
    return EncodedAnswer(ids=(5,) * length, offsets=((0, 1),) * length)


def test_collate_pads_each_side_to_its_own_longest():
    def pair(chosen: int, rejected: int) -> TrainingPair:
        return TrainingPair(
            EncodedPair(
                key="k",
                prompt=EncodedPrompt(ids=(1,), features={}),
                chosen=answer(chosen),
                rejected=answer(rejected),
                chosen_changed=(True,) * chosen,
                rejected_changed=(False,) * rejected,
            ),
            torch.full((chosen,), -2.0),
            torch.full((rejected,), -3.0),
        )

    logp = [[torch.full((2,), -1.0), torch.zeros(1)], [torch.full((3,), -1.0), torch.zeros(1)]]
    made = collate([pair(2, 1), pair(3, 1)], logp)
    assert made.chosen.mask_BT.tolist() == [[True, True, False], [True, True, True]]
    assert made.chosen.changed_BT.tolist() == [[True, True, False], [True, True, True]]
    assert made.chosen.ref_BT.tolist() == [[-2, -2, 0], [-2, -2, -2]]
    assert made.rejected.logp_BT.shape == (2, 1)
    assert made.chosen.logp_B().tolist() == [-2, -3]
