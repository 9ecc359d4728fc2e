"""Which pairs stand in which step, and which of their rows share a forward pass.

A step has `batch_size` pairs, an epoch's last step what is left. Pairs of one prompt stand in the
same step, since they share a row (the prompt once, each distinct answer once): a step takes the
earliest waiting prompt whose pairs fit into it. Only where none fits are a prompt's pairs divided,
the rest of them coming first in the next step; so every step is full and every pair comes once an
epoch. The order of an epoch depends on the seed and the epoch alone, so that a run that goes on at
step s sees what it would have seen.

This file knows numbers of pairs and tokens; it runs no model and imports no torch.
"""

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

Group = Sequence[int]
"""Indices of the pairs of one prompt."""


class PlannedRow(NamedTuple):
    """Pairs of one prompt that are run as one row, and the tokens that this takes."""

    pairs: tuple[int, ...]
    tokens: int


class PassLimits(NamedTuple):
    """What goes through one forward pass at the most; one row alone may exceed `pairs`."""

    tokens: int
    pairs: int


class MicroBatch(NamedTuple):
    """The rows of one forward pass of one process."""

    rows: tuple[PlannedRow, ...]
    counts: bool = True
    """False where a process has nothing left and runs a row without effect, because processes that
    share a model's weights must run equally often."""


def steps_per_epoch(pairs: int, batch_size: int) -> int:
    """Steps of an epoch; its last batch may be smaller."""
    return -(-pairs // batch_size)


def batches(
    groups: Sequence[Group], batch_size: int, seed: int, first_step: int = 0
) -> Iterator[list[int]]:
    """Indices of the pairs of each step from `first_step` (0-based) on, epoch after epoch.

    Where every prompt has one pair, a step is a slice of the shuffled pairs.
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
    while waiting.left:
        group = waiting.take(batch_size - len(step), split=not step)
        step += group
        if len(step) == batch_size or not waiting.left:
            yield step
            step = []


class _Waiting:
    """Groups in their order, found by size: a step asks for the earliest one that fits."""

    def __init__(self, order: Sequence[Group]) -> None:
        self.left = len(order)
        self._by_size: dict[int, deque[tuple[int, Group]]] = {}
        for place, group in enumerate(order):
            self._by_size.setdefault(len(group), deque()).append((place, group))

    def take(self, room: int, *, split: bool) -> Group:
        """The earliest group of at most `room` pairs; if there is none, a part of the earliest.

        With `split`, the earliest whatever its size: a prompt with more pairs than a step has
        must not wait for the end of the epoch.
        """
        sizes = [size for size in self._by_size if split or size <= room] or list(self._by_size)
        size = min(sizes, key=lambda size: self._by_size[size][0][0])
        place, group = self._by_size[size].popleft()
        if not self._by_size[size]:
            del self._by_size[size]
        taken, rest = group[:room], group[room:]
        if rest:
            self._by_size.setdefault(len(rest), deque()).appendleft((place, rest))
        else:
            self.left -= 1
        return taken


def rows_of(
    batch: Sequence[int],
    group_of: Callable[[int], int],
    tokens: Callable[[Sequence[int]], int],
    limit: int,
) -> list[PlannedRow]:
    """A step's pairs as rows: a group's together, in several rows where one would be too long.

    `tokens` tells what a row of some pairs takes. A pair that alone exceeds the limit has a row to
    itself: to refuse such is the loader's part.
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
    """A step's rows as rounds of forward passes, one portion a process in each.

    Rows of similar length stand together, so that little is padded; the portions are as even as
    they can be in that order, and the processes of a round have neighbouring ones, so that none
    waits long for another.
    """
    ordered = sorted(rows, key=lambda row: (-row.tokens, row.pairs))
    parts = len(_cut(ordered, limits.tokens, limits.pairs))
    wanted = -(-parts // processes) * processes
    portions = [MicroBatch(tuple(part)) for part in _even(ordered, wanted, limits)]
    idle = MicroBatch((min(rows, key=lambda row: row.tokens),), counts=False)
    portions += [idle] * (-len(portions) % processes)
    return [portions[i : i + processes] for i in range(0, len(portions), processes)]


def _even(rows: Sequence[PlannedRow], parts: int, limits: PassLimits) -> list[list[PlannedRow]]:
    """The rows in their order in at most so many parts, the largest of them as small as can be."""
    low, high = 1, limits.tokens
    while low < high:
        middle = (low + high) // 2
        if len(_cut(rows, middle, limits.pairs)) <= parts:
            high = middle
        else:
            low = middle + 1
    cut = _cut(rows, low, limits.pairs)
    while len(cut) < parts and any(len(part) > 1 for part in cut):
        largest = max((part for part in cut if len(part) > 1), key=_tokens)
        at, half = cut.index(largest), len(largest) // 2
        cut[at : at + 1] = [largest[:half], largest[half:]]
    return cut


def _cut(rows: Sequence[PlannedRow], tokens: int, pairs: int) -> list[list[PlannedRow]]:
    """The rows in their order, each part as full as the limits allow; a longer row alone."""
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
