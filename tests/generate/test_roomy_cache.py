"""A cache with room holds what transformers' own cache holds, and copies no earlier tokens."""

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from groundtune.generate.roomy_cache import ROOM, RoomyLayer, make_room


def states(rows: int, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and values of new tokens."""
    return torch.randn(rows, 2, tokens, 4), torch.randn(rows, 2, tokens, 4)


def test_it_holds_the_same_keys_and_values_over_more_steps_than_there_is_room_for() -> None:
    torch.manual_seed(0)
    plain = DynamicLayer()
    plain.update(*states(4, 7))
    roomy = RoomyLayer(plain)
    for step in range(ROOM + 5):
        new = states(len(plain.keys), 3 if step == 1 else 1)
        expected, found = plain.update(*new), roomy.update(*new)
        assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))
        if step in (2, ROOM):
            keep = torch.tensor([len(plain.keys) - 1, 0])
            plain.batch_select_indices(keep)
            roomy.batch_select_indices(keep)
            assert torch.equal(plain.keys, roomy.keys)
            assert torch.equal(plain.values, roomy.values)
    assert roomy.get_seq_length() == plain.get_seq_length() == 7 + ROOM + 5 + 2


def test_a_step_leaves_earlier_tokens_where_they_are() -> None:
    plain = DynamicLayer()
    plain.update(*states(2, 5))
    roomy = RoomyLayer(plain)
    before = roomy.keys.data_ptr()
    for _ in range(ROOM):
        roomy.update(*states(2, 1))
    assert roomy.keys.data_ptr() == before
    roomy.update(*states(2, 1))
    assert roomy.keys.data_ptr() != before


def test_windows_and_layers_without_tokens_stay_as_they_are() -> None:
    cache = DynamicCache()
    cache.layers = [DynamicLayer(), DynamicSlidingWindowLayer(sliding_window=4), DynamicLayer()]
    for layer in cache.layers[:2]:
        layer.update(*states(1, 3))
    make_room(cache)
    kinds = [type(layer) for layer in cache.layers]
    assert kinds == [RoomyLayer, DynamicSlidingWindowLayer, DynamicLayer]
