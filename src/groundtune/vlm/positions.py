"""Positions of a prompt's tokens, as the families compute them: in sequence, or on three axes."""

from typing import TYPE_CHECKING, Any

from groundtune.vlm.encoded import EncodedPrompt

if TYPE_CHECKING:
    from torch import Tensor


def sequential_positions(model: Any, prompt: EncodedPrompt) -> "Tensor":
    """Return positions 0, 1, 2, ... of a prompt's tokens, shape (1, P)."""
    import torch

    return torch.arange(len(prompt.ids))[None]


def three_axes(model: Any, prompt: EncodedPrompt) -> "Tensor":
    """Return the model's positions of the prompt, (3, P), without reading the model's state."""
    import torch

    ids_1P = torch.tensor([prompt.ids])
    types = prompt.marks.get("mm_token_type_ids", torch.zeros_like(ids_1P[0]))
    positions_31P, _ = model.base_model.get_rope_index(
        ids_1P, types[None].to(ids_1P), image_grid_thw=prompt.features.get("image_grid_thw")
    )
    return positions_31P[:, 0]
