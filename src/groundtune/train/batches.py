"""Which pairs stand in which step, and a micro-batch as what a method's loss takes.

The order of an epoch is a permutation that depends on the seed and the epoch alone, so that a run
that goes on at step s sees what it would have seen. This file runs no model.

Shapes: B pairs, T tokens of the longest answer of a side.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from groundtune.engine.rows import EncodedPair
from groundtune.methods.pairwise import AnswerLogProbs, PairLogProbs
from groundtune.train.data import EncodedPairs


class TrainingPair(NamedTuple):
    """An encoded pair with the reference's log-probabilities of both answers, shape (T,) each."""

    pair: EncodedPair
    chosen_ref: Tensor
    rejected_ref: Tensor


class TrainingPairs(Protocol):
    """All pairs of a run. Encoding may happen when one is asked for, so lengths are known apart."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> TrainingPair: ...

    def tokens(self, index: int) -> int:
        """Tokens of the pair's longer sequence."""
        ...


class ReferencedPairs:
    """TrainingPairs of encoded pairs and the reference's figures of each, in the same order."""

    def __init__(self, pairs: EncodedPairs, references: Sequence[tuple[Tensor, Tensor]]) -> None:
        self._pairs = pairs
        self._references = references

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int, /) -> TrainingPair:
        return TrainingPair(self._pairs[index], *self._references[index])

    def tokens(self, index: int) -> int:
        """Tokens of the pair's longer sequence."""
        return self._pairs.tokens(index)


def steps_per_epoch(pairs: int, batch_size: int) -> int:
    """Steps of an epoch; its last batch may be smaller."""
    return -(-pairs // batch_size)


def batches(pairs: int, batch_size: int, seed: int, first_step: int = 0) -> Iterator[list[int]]:
    """Indices of the pairs of each step from `first_step` (0-based) on, epoch after epoch."""
    per_epoch = steps_per_epoch(pairs, batch_size)
    epoch, skipped = divmod(first_step, per_epoch)
    while True:
        order = list(range(pairs))
        random.Random(f"{seed}/{epoch}").shuffle(order)
        for step in range(skipped, per_epoch):
            yield order[step * batch_size : (step + 1) * batch_size]
        epoch, skipped = epoch + 1, 0


def micro_batches(batch: Sequence[int], size: int, tokens: Callable[[int], int]) -> list[list[int]]:
    """A step's pairs in groups of at most `size`, of similar length so that little is padded."""
    by_length = sorted(batch, key=lambda index: (tokens(index), index))
    return [by_length[start : start + size] for start in range(0, len(by_length), size)]


def collate(pairs: Sequence[TrainingPair], logp: Sequence[Sequence[Tensor]]) -> PairLogProbs:
    """What the loss takes, of [chosen, rejected] log-probabilities for each pair."""
    return PairLogProbs(
        chosen=_side(
            [chosen for chosen, _ in logp],
            [each.chosen_ref for each in pairs],
            [each.pair.chosen_changed for each in pairs],
        ),
        rejected=_side(
            [rejected for _, rejected in logp],
            [each.rejected_ref for each in pairs],
            [each.pair.rejected_changed for each in pairs],
        ),
    )


def _side(
    logp: Sequence[Tensor], ref: Sequence[Tensor], changed: Sequence[Sequence[bool]]
) -> AnswerLogProbs:
    device = logp[0].device
    return AnswerLogProbs(
        logp_BT=pad_sequence(list(logp), batch_first=True),
        ref_BT=pad_sequence(list(ref), batch_first=True).to(device),
        mask_BT=pad_sequence(
            [torch.ones(len(each), dtype=torch.bool) for each in logp], batch_first=True
        ).to(device),
        changed_BT=pad_sequence([torch.tensor(each) for each in changed], batch_first=True).to(
            device
        ),
    )
