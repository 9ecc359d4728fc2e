"""GLM-4.1V and GLM-4.6V: positions with three axes, and a projector inside the image encoder."""

from groundtune.vlm.family import Family
from groundtune.vlm.positions import three_axes

PROJECTOR = ("downsample", "merger")

FAMILIES = (
    Family(name="GLM-4.1V", model_types=("glm4v",), positions=three_axes, projector=PROJECTOR),
    Family(name="GLM-4.6V", model_types=("glm46v",), positions=three_axes, projector=PROJECTOR),
)
