"""Attention over packed rows: one function that handles three kinds of mask.

- dense: a bool mask (B, 1, Q, K), true where a token is seen, for torch's scaled dot product.
- segments: the layout itself. Each prompt is causal, which needs no mask, and each further segment
  attends to [its parents; itself], so nothing is computed only to be masked.
- flex: a block mask for torch's flex attention, on CUDA (its backward exists only there).

The function is installed only on the text decoder, so the image tower keeps its attention. The type
of the mask selects the kind; any other mask is handled like `sdpa`, so generation and separate rows
are unaffected. ("eager" attention would silently add a bool mask as 0 and 1. That is why the packed
engine never leaves the choice to the model.)

Shapes: B sequences of L tokens, H heads, D their width, Q queries, K keys, S segments.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, masking_utils
from transformers.integrations import flex_attention, sdpa_attention

from groundtune.engine.layout import PackedLayout

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask

Attention = Literal["dense", "segments", "flex"]

NAME = "groundtune"
"""Name of the function in transformers' registry."""


def install_attention(model: Any) -> None:
    """Install this attention on a plain model's text decoder; repeating it has no effect."""
    text = model.config.get_text_config()
    if text._attn_implementation == NAME:
        return
    names = [name for name in model.config.sub_configs if getattr(model.config, name) is text]
    model.set_attn_implementation({name: NAME for name in names})
    assert text._attn_implementation == NAME, "the decoder takes no attention function"


def dense_mask(layout: PackedLayout, start: int = 0) -> Tensor:
    """Return bool (B, 1, L - start, L): whether token q, from `start` on, sees token k.

    Padding sees only padding.
    """
    segment_BL = layout.segment_BL
    length = segment_BL.shape[1]
    before_QL = torch.ones(length - start, length, dtype=torch.bool).tril(start)
    return before_QL & layout.visible[segment_BL[:, None, start:, None], segment_BL[:, None, None]]


def segment_mask(layout: PackedLayout) -> Tensor:
    """Return the segments as numbers, (1, 1, S, 1 + depth): length, parents or -1. Needs B = 1."""
    assert len(layout.ids_BL) == 1
    depth = max(len(parents) for _, _, parents in layout.spans)
    rows = [
        [length, *parents, *[-1] * (depth - len(parents))] for _, length, parents in layout.spans
    ]
    return torch.tensor(rows)[None, None]


def flex_mask(layout: PackedLayout, device: torch.device) -> "BlockMask":
    """Return the dense mask as a block mask."""
    from torch.nn.attention.flex_attention import create_block_mask

    batch, length = layout.ids_BL.shape
    make = cast(Any, create_block_mask)
    return make(flex_rule(layout, device), batch, None, length, length, device=device)


def flex_rule(layout: PackedLayout, device: torch.device) -> Callable[..., Tensor]:
    """Return the function that tests whether query q sees key k in sequence b."""
    segment_BL, visible = layout.segment_BL.to(device), layout.visible.to(device)

    def seen(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return visible[segment_BL[b, q], segment_BL[b, k]] & (q >= k)

    return seen


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: "Tensor | BlockMask | None",
    **rest: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attend in a decoder layer, called by transformers: query (B, H, Q, D) to (B, Q, H, D)."""
    if isinstance(attention_mask, Tensor) and attention_mask.dtype == torch.long:
        dropout, scaling = float(rest.get("dropout", 0.0)), rest.get("scaling")
        rows = cast("list[list[int]]", attention_mask[0, 0].tolist())  # pyright: ignore[reportUnknownMemberType]
        mixed = by_segment(query, key, value, rows, dropout=dropout, scaling=scaling)
        return mixed.transpose(1, 2).contiguous(), None
    if attention_mask is None or isinstance(attention_mask, Tensor):
        return cast(Any, sdpa_attention).sdpa_attention_forward(
            module, query, key, value, attention_mask, **rest
        )
    return cast(Any, flex_attention).flex_attention_forward(
        module, query, key, value, attention_mask, **rest
    )


def by_segment(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    rows: Sequence[Sequence[int]],
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
) -> Tensor:
    """Attend within one sequence, segment by segment; `rows` are those of `segment_mask`.

    Keys and values may have fewer heads than queries, (1, H, L, D) each.
    """
    lengths = [row[0] for row in rows]
    # The gradient of a slice is as long as the whole tensor; that of a split part is not.
    queries, keys, values = (torch.split(each, lengths, 2) for each in (query, key, value))
    grouped = key.shape[1] != query.shape[1]
    mixed: list[Tensor] = []
    for index, (_, *parents) in enumerate(rows):
        chain = [*(parent for parent in parents if parent >= 0), index]
        k = torch.cat([keys[i] for i in chain], 2) if len(chain) > 1 else keys[index]
        v = torch.cat([values[i] for i in chain], 2) if len(chain) > 1 else values[index]
        mixed.append(
            scaled_dot_product_attention(
                queries[index],
                k,
                v,
                attn_mask=None if len(chain) == 1 else _lower_right(lengths[index], k),
                is_causal=len(chain) == 1,
                dropout_p=dropout,
                scale=scaling,
                enable_gqa=grouped,
            )
        )
    return torch.cat(mixed, 2)


def _lower_right(queries: int, key: Tensor) -> Any:
    """Return a causal mask aligned so that the last query is at the last key."""
    if key.is_cuda:
        from torch.nn.attention import bias

        return cast(Any, bias).causal_lower_right(queries, key.shape[2])
    keys = key.shape[2]
    return torch.ones(queries, keys, dtype=torch.bool, device=key.device).tril(keys - queries)


cast(Any, AttentionInterface).register(NAME, attend)
cast(Any, AttentionMaskInterface).register(NAME, cast(Any, masking_utils).sdpa_mask)
