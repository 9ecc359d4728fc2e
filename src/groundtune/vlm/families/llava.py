"""LLaVA and its relatives: a tower, a projector, a plain causal decoder."""

from groundtune.vlm.family import Family

FAMILIES = (
    Family(name="LLaVA-1.5", model_types=("llava",)),
    Family(
        name="LLaVA-NeXT",
        model_types=("llava_next",),
        note="An image is split into tiles; each row of features ends with a learned line break.",
    ),
    Family(
        name="LLaVA-OneVision",
        model_types=("llava_onevision",),
        note="Tiles for a prompt's only image, one view each for several.",
    ),
)
