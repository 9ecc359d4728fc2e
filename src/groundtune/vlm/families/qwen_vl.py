"""Qwen-VL from version 2 on: positions with three axes (time, height and width)."""

from typing import TYPE_CHECKING, Any

from groundtune.vlm.encoded import EncodedPrompt
from groundtune.vlm.family import Family

if TYPE_CHECKING:
    from torch import Tensor


def three_axes(model: Any, prompt: EncodedPrompt) -> "Tensor":
    """Return the model's positions of the prompt, (3, P), without reading the model's state."""
    import torch

    ids_1P = torch.tensor([prompt.ids])
    types = prompt.marks.get("mm_token_type_ids", torch.zeros_like(ids_1P[0]))
    positions_31P, _ = model.base_model.get_rope_index(
        ids_1P, types[None].to(ids_1P), image_grid_thw=prompt.features.get("image_grid_thw")
    )
    return positions_31P[:, 0]


MERGERS = ("merger", "deepstack_merger_list")

FAMILIES = (
    Family(name="Qwen2-VL", model_types=("qwen2_vl",), positions=three_axes, projector=MERGERS),
    Family(name="Qwen2.5-VL", model_types=("qwen2_5_vl",), positions=three_axes, projector=MERGERS),
    Family(
        name="Qwen3-VL",
        model_types=("qwen3_vl",),
        positions=three_axes,
        projector=MERGERS,
        note="Features of several tower layers enter the first decoder layers.",
    ),
    Family(
        name="Qwen3.5",
        model_types=("qwen3_5",),
        positions=three_axes,
        projector=MERGERS,
        separate_reason="its linear-attention layers read tokens in sequence and take no mask",
    ),
)
