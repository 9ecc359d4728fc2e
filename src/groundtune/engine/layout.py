"""The layout of packed rows: the position of each token of prompts and their answers.

A packed row is `[prompt | answer | answer | ...]`. A token sees its segment up to itself, and all
segments that its segment continues: an answer continues the prompt, and if answers share a common
start, the rest of each continues that start. No token of an image, a prompt or an answer occurs
twice, and none is truncated. This file runs no model.

Shapes: B sequences of L tokens, each with one or more packed rows; S segments, plus one for the
padding.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from groundtune.engine.rows import PromptRow
from groundtune.vlm.encoded import EncodedPrompt

Ids = tuple[int, ...]


class Segment(NamedTuple):
    """A run of tokens that is computed once."""

    ids: Ids
    parents: tuple[int, ...]
    """Indices of the row's segments that it continues, the prompt first."""
    order: int
    """Position of its first token if the answer directly followed its prompt."""


class PackedRow(NamedTuple):
    """A prompt with all distinct answers to it."""

    prompt: EncodedPrompt
    segments: tuple[Segment, ...]
    """The prompt's segment first."""
    answers: dict[Ids, tuple[tuple[int, int], ...]]
    """Segment and index of the token that predicts each token of a distinct answer."""

    @property
    def tokens(self) -> int:
        """Number of tokens to run."""
        return sum(len(each.ids) for each in self.segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedLayout:
    """Packed rows put into sequences, as tensors on the CPU."""

    rows: tuple[PackedRow, ...]
    """In the order of the sequences."""
    ids_BL: Tensor
    order_BL: Tensor
    """Position of the token in the sequence of its prompt and answer alone; 0 for padding."""
    row_BL: Tensor
    """Index into `rows`, -1 for padding."""
    segment_BL: Tensor
    """Index of the token's segment, S for padding."""
    visible: Tensor
    """Bool (S + 1, S + 1): whether tokens of one segment see earlier tokens of another."""
    spans: tuple[tuple[int, int, tuple[int, ...]], ...]
    """Of each segment: index of its first token in the flat (B * L), its length, its parents."""

    def reads(self, row: int, answer: Ids) -> list[int]:
        """Return the indices in the flat (B * L) whose outputs predict the answer's tokens."""
        first = sum(len(each.segments) for each in self.rows[:row])
        path = self.rows[row].answers[answer]
        return [self.spans[first + segment][0] + place for segment, place in path]


def pack_row(prompt: EncodedPrompt, answers: Iterable[Ids], *, share_starts: int = 0) -> PackedRow:
    """Return a prompt and its distinct answers as segments.

    A common start of several answers is a separate segment if it has at least `share_starts`
    tokens; 0 shares none.
    """
    segments = [Segment(prompt.ids, (), 0)]
    paths: dict[Ids, tuple[tuple[int, int], ...]] = {}
    # The last token of an answer predicts nothing, so it isn't run.
    tails = {answer: answer[:-1] for answer in dict.fromkeys(answers)}
    for shared, members in _branches(tails, 0, share_starts):
        _grow(segments, paths, shared, members, (0,), ((0, len(prompt.ids) - 1),), share_starts)
    return PackedRow(prompt, tuple(segments), paths)


def _grow(
    segments: list[Segment],
    paths: dict[Ids, tuple[tuple[int, int], ...]],
    length: int,
    members: dict[Ids, Ids],
    parents: tuple[int, ...],
    path: tuple[tuple[int, int], ...],
    share_starts: int,
) -> None:
    """Add the common segment of `members`, and the segments that follow it."""
    depth = len(path) - 1
    shared_ids = next(iter(members.values()))[depth : depth + length]
    if shared_ids:
        segments.append(Segment(shared_ids, parents, len(segments[0].ids) + depth))
        parents = (*parents, len(segments) - 1)
        path = (*path, *((len(segments) - 1, place) for place in range(length)))
    unfinished = dict[Ids, Ids]()
    for answer, tail in members.items():
        if len(tail) == depth + length:
            paths[answer] = path
        else:
            unfinished[answer] = tail
    for shared, rest in _branches(unfinished, depth + length, share_starts):
        _grow(segments, paths, shared, rest, parents, path, share_starts)


def _branches(
    members: dict[Ids, Ids], depth: int, share_starts: int
) -> Iterator[tuple[int, dict[Ids, Ids]]]:
    """Group answers that continue alike from index `depth`, with the number of shared tokens."""
    groups: dict[object, dict[Ids, Ids]] = {}
    for number, (answer, tail) in enumerate(members.items()):
        shareable = share_starts and len(tail) - depth >= share_starts
        key = tail[depth : depth + share_starts] if shareable else number
        groups.setdefault(key, {})[answer] = tail
    for group in groups.values():
        tails = [tail[depth:] for tail in group.values()]
        if len(tails) == 1 or not share_starts:
            yield len(tails[0]), group
            continue
        alike = (len(set(column)) == 1 for column in zip(*tails, strict=False))
        yield next((i for i, same in enumerate(alike) if not same), min(map(len, tails))), group


def packed_tokens(prompt: int, answers: Sequence[int]) -> int:
    """Return the tokens to run for a prompt and its distinct answers, of these lengths.

    Image tokens are included; each answer's last token predicts nothing and isn't counted.
    """
    return prompt + sum(length - 1 for length in answers)


def merge(rows: Sequence[PromptRow], *, share_starts: int = 0) -> list[PackedRow]:
    """Return rows as packed rows, merging those with the same EncodedPrompt object."""
    answers: dict[int, list[Ids]] = {}
    for row in rows:
        answers.setdefault(id(row.prompt), []).extend(each.ids for each in row.answers)
    prompts = {id(row.prompt): row.prompt for row in rows}
    return [pack_row(prompts[key], ids, share_starts=share_starts) for key, ids in answers.items()]


def lay_out(rows: Sequence[PackedRow], pad_id: int, *, one_sequence: bool = False) -> PackedLayout:
    """Arrange rows in sequences as long as the longest row, or all in one sequence.

    Short rows share a sequence if they fit (first fit, longest first), to keep padding small.
    """
    length = sum(row.tokens for row in rows) if one_sequence else max(row.tokens for row in rows)
    sequences: list[list[PackedRow]] = []
    for row in sorted(rows, key=lambda row: -row.tokens):
        free = (s for s in sequences if sum(each.tokens for each in s) + row.tokens <= length)
        home = next(free, None)
        if home is None:
            sequences.append([row])
        else:
            home.append(row)
    return _tensors(sequences, length, pad_id)


def _tensors(sequences: Sequence[Sequence[PackedRow]], length: int, pad_id: int) -> PackedLayout:
    count = sum(len(row.segments) for sequence in sequences for row in sequence)
    shape = (len(sequences), length)
    ids, order = torch.full(shape, pad_id), torch.zeros(shape, dtype=torch.long)
    row_BL, segment_BL = torch.full(shape, -1), torch.full(shape, count)
    visible = torch.eye(count + 1, dtype=torch.bool)
    spans: list[tuple[int, int, tuple[int, ...]]] = []
    rows: list[PackedRow] = []
    for b, sequence in enumerate(sequences):
        place = 0
        for row in sequence:
            first = len(spans)
            for segment in row.segments:
                part = slice(place, place + len(segment.ids))
                ids[b, part] = torch.tensor(segment.ids)
                order[b, part] = torch.arange(segment.order, segment.order + len(segment.ids))
                row_BL[b, part], segment_BL[b, part] = len(rows), len(spans)
                parents = tuple(first + each for each in segment.parents)
                visible[len(spans), list(parents)] = True
                spans.append((b * length + place, len(segment.ids), parents))
                place += len(segment.ids)
            rows.append(row)
    return PackedLayout(
        rows=tuple(rows),
        ids_BL=ids,
        order_BL=order,
        row_BL=row_BL,
        segment_BL=segment_BL,
        visible=visible,
        spans=tuple(spans),
    )
