"""Captions of another data set, one next to each pair of a step: the anchor of HA-DPO.

The captions come in an order that the seed shuffles anew in each pass over them, and pair number n
of the run gets caption number n: it depends on the seed and the step alone, so a resumed run, other
micro-batches and several processes see the same captions.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from groundtune.engine.rows import PromptRow
from groundtune.train.data import EncodedPairs, TokenPair


@dataclass(frozen=True, slots=True, kw_only=True)
class Captions:
    """The captions, and which one is next to which pair of a step."""

    encoded: EncodedPairs
    """The captions as chosen answers."""
    seed: int
    places: Mapping[int, int] = field(default_factory=dict[int, int])
    """Index of the caption by that of the pair; for pairs that are not in it, by their index."""

    def __len__(self) -> int:
        return len(self.encoded)

    def at_step(self, first: int, batch: Sequence[int]) -> "Captions":
        """Return them with the places of a step, given the number of pairs in the steps before."""
        places = {
            index: _order(self.seed, len(self), number // len(self))[number % len(self)]
            for number, index in enumerate(batch, start=first)
        }
        return replace(self, places=places)

    def pair(self, index: int) -> TokenPair:
        """Return the caption next to a pair; it is the chosen answer."""
        return self.encoded.pair(self._place(index))

    def row(self, index: int) -> PromptRow:
        """Return the row of the caption next to a pair."""
        return PromptRow(self.encoded.prompt(self._place(index)), (self.pair(index).chosen,))

    def tokens(self, index: int) -> int:
        """Return the tokens of that row."""
        return self.encoded.row_tokens([self._place(index)])

    @property
    def most_tokens(self) -> int:
        """The tokens of the longest row."""
        return max(self.encoded.row_tokens([index]) for index in range(len(self)))

    def _place(self, index: int) -> int:
        return self.places.get(index, index % len(self))


@lru_cache(maxsize=2)
def _order(seed: int, count: int, epoch: int) -> Sequence[int]:
    order = list(range(count))
    random.Random(f"captions/{seed}/{epoch}").shuffle(order)
    return order
