"""Gemma 3: the tokens of an image see each other; most layers attend to a sliding window."""

from typing import TYPE_CHECKING

from groundtune.vlm.encoded import EncodedPrompt
from groundtune.vlm.family import Family

if TYPE_CHECKING:
    from torch import Tensor


def image_blocks(prompt: EncodedPrompt) -> "Tensor | None":
    """Return the index of each token's image (a run of token type 1), -1 for text."""
    import torch

    if "token_type_ids" not in prompt.marks:
        return None
    image_P = prompt.marks["token_type_ids"] == 1
    before_P = torch.cat([image_P.new_zeros(1), image_P[:-1]])
    return torch.where(image_P, (image_P & ~before_P).cumsum(0) - 1, -1)


FAMILIES = (
    Family(
        name="Gemma 3",
        model_types=("gemma3",),
        encoded="whole",
        blocks=image_blocks,
        note="The tokens of an image see each other; windows count the tokens of one answer.",
    ),
)
