"""Families whose answers can't share a row, and families that can't run at all, with the reason."""

from groundtune.vlm.family import Family

FAMILIES = (
    Family(
        name="Gemma 4",
        model_types=("gemma4",),
        separate_reason="the tokens of an image see each other in some layers only",
    ),
    Family(
        name="LFM2-VL",
        model_types=("lfm2_vl",),
        separate_reason="its convolution layers read tokens in sequence and take no mask",
        packages=("torchvision",),
        note="Transformers has no image processor of it without torchvision.",
    ),
    Family(
        name="InstructBLIP",
        model_types=("instructblip",),
        separate_reason="its forward projects every position and takes no position ids",
        encoded="whole",
        one_image=True,
        note="An image's features depend on the instruction, and are cached by both. Every prompt "
        "needs exactly one image. Only with Vicuna: Flan-T5 is an encoder-decoder. A checkpoint "
        "without a chat template needs a chat_template.jinja in its folder, without a placeholder "
        "for the image.",
    ),
    Family(
        name="MiniGPT-4",
        model_types=(),
        encoded="",
        separate_reason="transformers has no class for it",
        note="Use InstructBLIP, which has the same tower and Q-Former.",
    ),
)
