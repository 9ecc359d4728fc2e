"""Masks of a layout for a model: windows of layers and blocks of pictures included.

The layers' kinds are read from the text configuration: full attention, a sliding window, or kinds
that no mask can serve.

Shapes: B sequences of L tokens.
"""

from typing import Any, cast

import torch
from torch import Tensor

from groundtune.engine.attention import Attention, dense_mask, flex_mask, segment_mask
from groundtune.engine.layout import Layout
from groundtune.vlm.family import Family

_MASKED = {"full_attention", "sliding_attention"}


def unmaskable(model: Any) -> str:
    """Why no mask can serve a plain model's decoder layers; "" where one can."""
    text = model.config.get_text_config()
    other = set(cast("list[str]", getattr(text, "layer_types", None) or [])) - _MASKED
    if other:
        return f"it has layers of type {', '.join(sorted(other))}, which take no mask"
    if not getattr(model, "_supports_sdpa", False):
        return "its attention takes no function of ours"
    return ""


def window(model: Any) -> int:
    """Tokens that a windowed layer sees, the query's own included; 0 where there is none."""
    text = model.config.get_text_config()
    kinds = cast("list[str] | None", getattr(text, "layer_types", None))
    if kinds is not None and "sliding_attention" not in kinds:
        return 0
    return getattr(text, "sliding_window", None) or 0


def masks(
    model: Any, family: Family, layout: Layout, attention: Attention, device: torch.device
) -> Any:
    """What a plain model's forward takes as `attention_mask` to run the layout.

    Windows that are shorter than a row and blocks of pictures are written into a dense mask, the
    one kind that can say them, whatever `attention` is.
    """
    text = model.config.get_text_config()
    size = window(model)
    blocks_BL = _blocks(family, layout)
    short = 0 < size <= int(layout.order_BL.max())
    if blocks_BL is not None or attention == "dense":
        full_B1LL = dense_mask(layout)
        if blocks_BL is not None:
            same = blocks_BL[:, None, :, None] == blocks_BL[:, None, None]
            full_B1LL = full_B1LL | same & (blocks_BL >= 0)[:, None, None]
        full: Any = full_B1LL.to(device)
    elif attention == "segments":
        full = segment_mask(layout)
    else:
        full = flex_mask(layout, device)
    windowed = (
        _within(
            layout,
            full
            if isinstance(full, Tensor) and full.dtype == torch.bool
            else dense_mask(layout).to(device),
            size,
        )
        if short
        else full
    )
    kinds = getattr(text, "layer_types", None)
    if kinds is None or size == 0:
        return windowed
    return {"full_attention": full, "sliding_attention": windowed}


def _within(layout: Layout, mask: Tensor, size: int) -> Tensor:
    order_BL = layout.order_BL.to(mask.device)
    return mask & (order_BL[:, None, :, None] - order_BL[:, None, None] < size)


def _blocks(family: Family, layout: Layout) -> Tensor | None:
    """Number of its block for each token, over all rows, -1 for causal ones, shape (B, L)."""
    own = [family.blocks(row.prompt) for row in layout.rows]
    if all(each is None for each in own):
        return None
    blocks_BL, count = torch.full(layout.ids_BL.shape, -1), 0
    for row, block in enumerate(own):
        if block is None:
            continue
        b, places = (layout.row_BL == row).nonzero(as_tuple=True)
        blocks_BL[b[: len(block)], places[: len(block)]] = torch.where(
            block >= 0, block + count, -1
        )
        count += int(block.max()) + 1
    return blocks_BL
