"""Families with a tower, a projector and a causal decoder, other than LLaVA's."""

from groundtune.vlm.family import Family

FAMILIES = (
    Family(name="Aya Vision", model_types=("aya_vision",), encoded="whole"),
    Family(name="DeepSeek-VL", model_types=("deepseek_vl",), encoded="whole"),
    Family(
        name="Kimi K2.5",
        model_types=("kimi_k25",),
        packages=("torchvision",),
        note="Transformers has no image processor of it without torchvision.",
    ),
    Family(
        name="Kimi-VL",
        model_types=(),
        encoded="",
        separate_reason="transformers has no class for it",
        note="Use Kimi K2.5, which has the same tower.",
    ),
    Family(
        name="Mistral 3",
        model_types=("mistral3",),
        packages=("torchvision",),
        note="Transformers' class of its processor imports torchvision.",
    ),
    Family(
        name="Ovis2",
        model_types=("ovis2",),
        encoded="",
        note="Its forward takes no encoded images: they are encoded once per row.",
    ),
)
