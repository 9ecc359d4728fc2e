"""Families whose answers can't share a row, and those that can't be run at all, with the reason."""

from groundtune.vlm.family import Family

FAMILIES = (
    Family(
        name="LFM2-VL",
        model_types=("lfm2_vl",),
        separate_reason="its convolution layers read tokens one after the other and take no mask",
    ),
    Family(
        name="InstructBLIP",
        model_types=("instructblip",),
        separate_reason="its forward projects every position and hands none on to its decoder by name",
        encoded="whole",
        note="An image's features depend on the instruction, and are kept by both. A checkpoint "
        "without a chat template needs a chat_template.jinja beside it.",
    ),
    Family(
        name="MiniGPT-4",
        model_types=(),
        encoded="",
        separate_reason="transformers has no class for it",
        note="Take InstructBLIP, which has the same tower and Q-Former.",
    ),
)
