"""Idefics3 and SmolVLM: tiles in a separate dimension, pixel shuffle, a causal decoder."""

from groundtune.vlm.family import Family

FAMILIES = (
    Family(name="Idefics3", model_types=("idefics3",)),
    Family(
        name="SmolVLM",
        model_types=("smolvlm",),
        packages=("num2words", "torchvision"),
        note="Its chat template is filled with settings of its video part.",
    ),
)
