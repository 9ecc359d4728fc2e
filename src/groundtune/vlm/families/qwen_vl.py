"""Qwen-VL from version 2 on, and PaddleOCR-VL: positions with three axes (time, height, width)."""

from groundtune.vlm.family import Family
from groundtune.vlm.positions import three_axes

MERGERS = ("merger", "deepstack_merger_list")
DEEPSTACK = "Features of several tower layers enter the first decoder layers."

FAMILIES = (
    Family(name="Qwen2-VL", model_types=("qwen2_vl",), positions=three_axes, projector=MERGERS),
    Family(name="Qwen2.5-VL", model_types=("qwen2_5_vl",), positions=three_axes, projector=MERGERS),
    Family(
        name="Qwen3-VL",
        model_types=("qwen3_vl",),
        positions=three_axes,
        projector=MERGERS,
        note=DEEPSTACK,
    ),
    Family(
        name="Qwen3-VL-MoE",
        model_types=("qwen3_vl_moe",),
        positions=three_axes,
        projector=MERGERS,
        note=DEEPSTACK + " Its experts are fused: a LoRA reaches only attention.",
    ),
    Family(
        name="Qwen3.5",
        model_types=("qwen3_5",),
        positions=three_axes,
        projector=MERGERS,
        separate_reason="its linear-attention layers read tokens in sequence and take no mask",
    ),
    Family(name="PaddleOCR-VL", model_types=("paddleocr_vl",), positions=three_axes),
)
