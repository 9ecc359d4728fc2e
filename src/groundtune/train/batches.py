"""Assign pairs to training steps, and their rows to micro-batches (forward passes).

A step has `batch_size` pairs; an epoch's last step may have fewer. Pairs of one prompt are in the
same step, since they share a row (the prompt once, each distinct answer once): a step takes the
earliest waiting prompt whose pairs fit. If none fits, a prompt's pairs are divided and the rest
come first in the next step. So every step is full, and every pair comes once per epoch. An epoch's
order depends only on the seed and the epoch, so a resumed run sees the same steps.

This file handles numbers of pairs and tokens; it runs no model and imports no torch.
"""

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

Group = Sequence[int]
"""Indices of the pairs of one prompt."""


class PlannedRow(NamedTuple):
    """Pairs of one prompt that run as one row, and the row's tokens."""

    pairs: tuple[int, ...]
    tokens: int


class PassLimits(NamedTuple):
    """Maximum size of a forward pass; a single row may exceed `pairs`."""

    tokens: int
    pairs: int


class MicroBatch(NamedTuple):
    """The rows of one forward pass of one process."""

    rows: tuple[PlannedRow, ...]
    counts: bool = True
    """False for a filler that has no effect: a process without rows left runs one, because
    processes that share a model's weights must run equally often."""


def steps_per_epoch(pairs: int, batch_size: int) -> int:
    """Return the steps of an epoch; its last batch may be smaller."""
    return -(-pairs // batch_size)


def batches(
    groups: Sequence[Group], batch_size: int, seed: int, first_step: int = 0
) -> Iterator[list[int]]:
    """Yield the indices of each step's pairs from `first_step` (0-based) on, without end.

    If every prompt has one pair, a step is a slice of the shuffled pairs.
    """
    per_epoch = steps_per_epoch(sum(map(len, groups)), batch_size)
    epoch, skipped = divmod(first_step, per_epoch)
    while True:
        yield from islice(_epoch(groups, batch_size, f"{seed}/{epoch}"), skipped, None)
        epoch, skipped = epoch + 1, 0


def _epoch(groups: Sequence[Group], batch_size: int, salt: str) -> Iterator[list[int]]:
    order = list(groups)
    random.Random(salt).shuffle(order)
    waiting = _Waiting(order)
    step: list[int] = []
    while waiting.remaining:
        group = waiting.take(batch_size - len(step), split=not step)
        step += group
        if len(step) == batch_size or not waiting.remaining:
            yield step
            step = []


class _Waiting:
    """Groups in order, indexed by size, so that a step finds the earliest one that fits."""

    def __init__(self, order: Sequence[Group]) -> None:
        self.remaining = len(order)
        self._by_size: dict[int, deque[tuple[int, Group]]] = {}
        for place, group in enumerate(order):
            self._by_size.setdefault(len(group), deque()).append((place, group))

    def take(self, room: int, *, split: bool) -> Group:
        """Remove and return the earliest group of at most `room` pairs, else part of the earliest.

        With `split`, return the earliest whatever its size: a prompt with more pairs than a step
        must not wait for the end of the epoch.
        """
        sizes = [size for size in self._by_size if split or size <= room] or list(self._by_size)
        size = min(sizes, key=lambda size: self._by_size[size][0][0])
        place, group = self._by_size[size].popleft()
        if not self._by_size[size]:
            del self._by_size[size]
        first, rest = group[:room], group[room:]
        if rest:
            self._by_size.setdefault(len(rest), deque()).appendleft((place, rest))
        else:
            self.remaining -= 1
        return first


def rows_of(
    batch: Sequence[int],
    group_of: Callable[[int], int],
    tokens: Callable[[Sequence[int]], int],
    limit: int,
) -> list[PlannedRow]:
    """Return a step's pairs as rows, one per group, or several if one would be too long.

    `tokens` returns the tokens of a row of pairs. A single pair above the limit gets its own row;
    the loader refuses such pairs.
    """
    by_group: dict[int, list[int]] = {}
    for index in batch:
        by_group.setdefault(group_of(index), []).append(index)
    rows: list[PlannedRow] = []
    for members in by_group.values():
        row: list[int] = []
        for index in members:
            if row and tokens([*row, index]) > limit:
                rows.append(PlannedRow(tuple(row), tokens(row)))
                row = []
            row.append(index)
        rows.append(PlannedRow(tuple(row), tokens(row)))
    return rows


def plan_micro_batches(
    rows: Sequence[PlannedRow], limits: PassLimits, processes: int = 1
) -> list[list[MicroBatch]]:
    """Return a step's rows as rounds of forward passes, each with one micro-batch per process.

    Rows of similar length share a micro-batch, which keeps padding small. The micro-batches are as
    even as that order allows, and a round has adjacent ones, so processes wait little for each
    other.
    """
    ordered = sorted(rows, key=lambda row: (-row.tokens, row.pairs))
    parts = len(_split(ordered, limits.tokens, limits.pairs))
    count = -(-parts // processes) * processes
    micro_batches = [MicroBatch(tuple(part)) for part in _split_evenly(ordered, count, limits)]
    filler = MicroBatch((min(rows, key=lambda row: row.tokens),), counts=False)
    micro_batches += [filler] * (-len(micro_batches) % processes)
    return [micro_batches[i : i + processes] for i in range(0, len(micro_batches), processes)]


def _split_evenly(
    rows: Sequence[PlannedRow], parts: int, limits: PassLimits
) -> list[list[PlannedRow]]:
    """Split the rows, in order, into at most `parts` parts with the smallest possible maximum."""
    low, high = 1, limits.tokens
    while low < high:
        middle = (low + high) // 2
        if len(_split(rows, middle, limits.pairs)) <= parts:
            high = middle
        else:
            low = middle + 1
    split = _split(rows, low, limits.pairs)
    while len(split) < parts and any(len(part) > 1 for part in split):
        largest = max((part for part in split if len(part) > 1), key=_tokens)
        at, half = split.index(largest), len(largest) // 2
        split[at : at + 1] = [largest[:half], largest[half:]]
    return split


def _split(rows: Sequence[PlannedRow], tokens: int, pairs: int) -> list[list[PlannedRow]]:
    """Split the rows, in order, into parts as full as the limits allow; a longer row alone."""
    parts: list[list[PlannedRow]] = []
    for row in rows:
        fits = parts and (
            _tokens(parts[-1]) + row.tokens <= tokens
            and sum(len(each.pairs) for each in parts[-1]) + len(row.pairs) <= pairs
        )
        if fits:
            parts[-1].append(row)
        else:
            parts.append([row])
    return parts


def _tokens(rows: Sequence[PlannedRow]) -> int:
    return sum(row.tokens for row in rows)
