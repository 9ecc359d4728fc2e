"""A key-value cache with room for tokens to come: a step writes its own and copies no earlier ones.

transformers' cache grows by concatenation: each step copies the keys and values of all tokens so
far. With eight answers after an image of 576 tokens that took over a quarter of the drawing.
"""

from typing import Any

from torch import Tensor
from transformers.cache_utils import DynamicLayer

ROOM = 64
"""Tokens of room that are made at a time: answers are usually much shorter than they may be."""


class RoomyLayer(DynamicLayer):
    """One layer's keys and values, (rows, heads, tokens, width), at the start of larger tensors."""

    def __init__(self, layer: DynamicLayer) -> None:
        """Take over the tokens of a layer."""
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        assert layer.keys is not None
        assert layer.values is not None
        self.lazy_initialization(layer.keys, layer.values)
        self._hold(layer.keys, layer.values, ROOM)

    def _hold(self, keys: Tensor, values: Tensor, room: int) -> None:
        """Copy keys and values to where there is room for more tokens."""
        length = keys.shape[-2]
        self._roomy = [
            each.new_empty(*each.shape[:2], length + room, each.shape[-1])
            for each in (keys, values)
        ]
        for roomy, each in zip(self._roomy, (keys, values), strict=True):
            roomy[:, :, :length] = each
        self._show(length)

    def _show(self, length: int) -> None:
        self.keys, self.values = (roomy[:, :, :length] for roomy in self._roomy)

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write new tokens behind the others; return all of them."""
        assert self.keys is not None
        assert self.values is not None
        length, more = self.keys.shape[-2], key_states.shape[-2]
        if length + more > self._roomy[0].shape[-2]:
            self._hold(self.keys, self.values, max(more, ROOM))
        for roomy, new in zip(self._roomy, (key_states, value_states), strict=True):
            roomy[:, :, length : length + more] = new
        self._show(length + more)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep some of the rows, with their room."""
        assert self.keys is not None
        length = self.keys.shape[-2]
        self._roomy = [roomy[indices] for roomy in self._roomy]
        self._show(length)


def make_room(cache: Any) -> None:
    """Give the layers of a cache room, where they keep all tokens; windows stay as they are."""
    for place, layer in enumerate(cache.layers):
        if type(layer) is DynamicLayer and layer.get_seq_length():
            cache.layers[place] = RoomyLayer(layer)
