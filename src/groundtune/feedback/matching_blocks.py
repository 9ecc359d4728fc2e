"""Which units two texts share: the blocks of difflib's SequenceMatcher, in less time.

difflib looks for the longest match, then for the longest in the gap before it and in the gap after
it, and goes through the whole gap each time. With white space as junk nearly every longest match is
one or two units long, so a text takes about as many searches as it has words. Here

- matches of several units are found once, and each gap looks among those in it;
- in a gap without one, the first unit with a match is the longest match, and those before it have
  none: no unit is looked up twice.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeVar

_Unit = TypeVar("_Unit", str, tuple[str, str])
_Places = Mapping[_Unit, Sequence[int]]


class Block(NamedTuple):
    """Equal units: `before[first : first + size]` is `after[new_first : new_first + size]`."""

    first: int
    new_first: int
    size: int


class _Gap(NamedTuple):
    """Half-open ranges of both texts, between two matches."""

    first: int
    last: int
    new_first: int
    new_last: int
    runs: Sequence[Block]
    """Of the matches in it without white space, those of several units."""
    has_words: bool = True
    """Whether it may have any match without white space."""

    def clipped(self, run: Block) -> Block:
        """The part of a match that is in the ranges; its size is below 1 if there is none."""
        skipped = max(0, self.first - run.first, self.new_first - run.new_first)
        first, new_first = run.first + skipped, run.new_first + skipped
        size = min(run.size - skipped, self.last - first, self.new_last - new_first)
        return Block(first, new_first, size)


def matching_blocks(before: Sequence[str], after: Sequence[str]) -> list[Block]:
    """Return the matching blocks in order; adjacent blocks may be separate.

    They are those of `SequenceMatcher(str.isspace, before, after, autojunk=False)`: white space
    anchors no match, but extends one.
    """
    places, pair_places = _places(after)
    blocks: list[Block] = []
    gaps = [_Gap(0, len(before), 0, len(after), _runs(before, after, pair_places))]
    while gaps:
        gap = gaps.pop()
        runs = [run for run in map(gap.clipped, gap.runs) if run.size > 1] if gap.runs else ()
        if runs:
            match = min(runs, key=lambda run: (-run.size, run.first, run.new_first))
        else:
            match = _first_match(before, after, gap, places)
        block = _with_white_space(before, after, match, gap)
        if not block.size:
            continue
        blocks.append(block)
        first, new_first = block.first, block.new_first
        if gap.first < first and gap.new_first < new_first:
            gaps.append(_Gap(gap.first, first, gap.new_first, new_first, runs, bool(runs)))
        first, new_first = first + block.size, new_first + block.size
        if first < gap.last and new_first < gap.new_last:
            has_words = match.size > 0
            gaps.append(_Gap(first, gap.last, new_first, gap.new_last, runs, has_words))
    return sorted(blocks)


def _places(units: Sequence[str]) -> tuple[_Places[str], _Places[tuple[str, str]]]:
    """Where each unit is, and where each two units in a row begin; none of them white space."""
    places: dict[str, list[int]] = {}
    pair_places: dict[tuple[str, str], list[int]] = {}
    previous = ""
    for place, unit in enumerate(units):
        if unit.isspace():
            previous = ""
            continue
        places.setdefault(unit, []).append(place)
        if previous:
            pair_places.setdefault((previous, unit), []).append(place - 1)
        previous = unit
    return places, pair_places


def _runs(
    before: Sequence[str], after: Sequence[str], places: _Places[tuple[str, str]]
) -> list[Block]:
    """Return all matches of two or more units, none white space, that can't be extended.

    `places` are those of two units in a row of `after`.
    """
    runs: list[Block] = []
    ends: dict[int, int] = {}  # by the difference of both places: where its last run ends
    for place, units in enumerate(pairwise(before) if places else ()):
        for new_place in places.get(units, ()):
            if ends.get(new_place - place, 0) <= place:
                end = _end_of_words(before, after, place, new_place)
                runs.append(Block(place, new_place, end - place))
                ends[new_place - place] = end
    return runs


def _end_of_words(before: Sequence[str], after: Sequence[str], place: int, new_place: int) -> int:
    """Where the equal units from two places on differ, or are white space."""
    for unit, new_unit in zip(before[place:], after[new_place:], strict=False):
        if unit != new_unit or unit.isspace():
            break
        place += 1
    return place


def _first_match(
    before: Sequence[str], after: Sequence[str], gap: _Gap, places: _Places[str]
) -> Block:
    """Return the first unit that has a match, in a gap without longer ones.

    If both ranges begin with it, it comes with the equal units after it, which are the next matches
    of the same gap. Without a match it is empty, at the start of both ranges.
    """
    for place in range(gap.first, gap.last if gap.has_words else gap.first):
        new_places = places.get(before[place], ())
        number = bisect_left(new_places, gap.new_first)
        if number < len(new_places) and new_places[number] < gap.new_last:
            new_place = new_places[number]
            if (place, new_place) != (gap.first, gap.new_first):
                return Block(place, new_place, 1)
            return Block(place, new_place, _equal_units(before, after, gap))
    return Block(gap.first, gap.new_first, 0)


def _equal_units(before: Sequence[str], after: Sequence[str], gap: _Gap) -> int:
    """Return the number of equal units at the start of both ranges."""
    first, new_first = gap.first, gap.new_first
    most = min(gap.last - first, gap.new_last - new_first)
    size = 1
    while size < most and before[first + size] == after[new_first + size]:
        size += 1
    return size


def _with_white_space(
    before: Sequence[str], after: Sequence[str], match: Block, gap: _Gap
) -> Block:
    """Return a match with the equal white space on both of its sides."""
    first, new_first, size = match
    last, new_last = first + size, new_first + size
    while (
        first > gap.first
        and new_first > gap.new_first
        and after[new_first - 1].isspace()
        and before[first - 1] == after[new_first - 1]
    ):
        first, new_first = first - 1, new_first - 1
    while (
        last < gap.last
        and new_last < gap.new_last
        and after[new_last].isspace()
        and before[last] == after[new_last]
    ):
        last, new_last = last + 1, new_last + 1
    return Block(first, new_first, last - first)
