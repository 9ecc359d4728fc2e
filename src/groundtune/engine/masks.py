"""Attention masks of a layout for a model, with sliding windows and image blocks.

The text configuration lists the types of the layers: full attention, sliding windows, or types that
take no mask.

Shapes: B sequences of L tokens.
"""

from typing import Any, cast

import torch
from torch import Tensor

from groundtune.engine.attention import Attention, dense_mask, flex_mask, segment_mask
from groundtune.engine.layout import PackedLayout
from groundtune.vlm.family import Family

_MASKED = {"full_attention", "sliding_attention"}


def unmaskable(model: Any) -> str:
    """Return why a plain model's decoder layers take no mask; "" if they do."""
    text = model.config.get_text_config()
    other = set(cast("list[str]", getattr(text, "layer_types", None) or [])) - _MASKED
    if other:
        return f"it has layers of type {', '.join(sorted(other))}, which take no mask"
    if not getattr(model, "_supports_sdpa", False):
        return "its attention can't be replaced by a custom function"
    return ""


def window(model: Any) -> int:
    """Return the tokens that a windowed layer sees, the query included; 0 without windows."""
    text = model.config.get_text_config()
    kinds = cast("list[str] | None", getattr(text, "layer_types", None))
    if kinds is not None and "sliding_attention" not in kinds:
        return 0
    return getattr(text, "sliding_window", None) or 0


def masks(
    model: Any,
    family: Family,
    layout: PackedLayout,
    attention: Attention,
    device: torch.device,
    *,
    start: int = 0,
) -> Any:
    """Return the `attention_mask` for a plain model's forward to run the layout.

    Windows shorter than a row and image blocks need a dense mask, whatever `attention` is. Tokens
    before `start` are keys but not queries; this needs a dense mask too.
    """
    size = window(model)
    blocks_BL = _blocks(family, layout)
    dense = attention == "dense" or blocks_BL is not None
    assert dense or not start
    full = _full(layout, blocks_BL, start, device) if dense else _sparse(layout, attention, device)
    windowed = full
    if 0 < size <= int(layout.order_BL.max()):
        base = full if dense else _full(layout, blocks_BL, start, device)
        windowed = base & _near(layout, size, start, device)
    if getattr(model.config.get_text_config(), "layer_types", None) is None or size == 0:
        return windowed
    return {"full_attention": full, "sliding_attention": windowed}


def only_dense(model: Any, family: Family, layout: PackedLayout) -> str:
    """Return why the layout needs a dense mask; "" if other kinds also work."""
    if 0 < window(model) <= int(layout.order_BL.max()):
        return f"windows of {window(model)} tokens need a dense mask"
    if _blocks(family, layout) is not None:
        return "the tokens of an image see each other, which needs a dense mask"
    return ""


def _sparse(layout: PackedLayout, attention: Attention, device: torch.device) -> Any:
    return segment_mask(layout) if attention == "segments" else flex_mask(layout, device)


def _full(
    layout: PackedLayout, blocks_BL: Tensor | None, start: int, device: torch.device
) -> Tensor:
    """Return the dense mask in which the tokens of a block see each other."""
    mask = dense_mask(layout, start)
    if blocks_BL is not None:
        queries_BQ = blocks_BL[:, start:]
        same = queries_BQ[:, None, :, None] == blocks_BL[:, None, None]
        mask = mask | same & (queries_BQ >= 0)[:, None, :, None]
    return mask.to(device)


def _near(layout: PackedLayout, size: int, start: int, device: torch.device) -> Tensor:
    """Return whether key k is less than `size` tokens before query q in the answer's sequence."""
    order_BL = layout.order_BL.to(device)
    return order_BL[:, None, start:, None] - order_BL[:, None, None] < size


def _blocks(family: Family, layout: PackedLayout) -> Tensor | None:
    """Return each token's block index over all rows, -1 for causal tokens, shape (B, L)."""
    blocks = [family.blocks(row.prompt) for row in layout.rows]
    if all(each is None for each in blocks):
        return None
    blocks_BL, count = torch.full(layout.ids_BL.shape, -1), 0
    for row, block in enumerate(blocks):
        if block is None:
            continue
        b, places = (layout.row_BL == row).nonzero(as_tuple=True)
        blocks_BL[b[: len(block)], places[: len(block)]] = torch.where(
            block >= 0, block + count, -1
        )
        count += int(block.max()) + 1
    return blocks_BL
