"""Qwen-VL from version 2 on: positions with three axes (time, height and width)."""

from typing import TYPE_CHECKING

from groundtune.vlm.family import Family
from groundtune.vlm.positions import three_axes

if TYPE_CHECKING:
    pass


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
