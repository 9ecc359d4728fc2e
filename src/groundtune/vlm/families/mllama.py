"""Mllama: images are not part of the token sequence; some layers cross-attend to them."""

from typing import TYPE_CHECKING, Any

from groundtune.vlm.family import Family

if TYPE_CHECKING:
    from torch import Tensor


def cross_attention_states(model: Any, features: "dict[str, Tensor]") -> "dict[str, Tensor]":
    """Return the states that cross-attention reads, (prompts, tokens of all tiles, width)."""
    names = ("pixel_values", "aspect_ratio_ids", "aspect_ratio_mask")
    output = model.base_model.vision_model(**{name: features[name] for name in names})
    states = model.base_model.multi_modal_projector(output.last_hidden_state)
    return {"cross_attention_states": states.flatten(1, -2)}


FAMILIES = (
    Family(
        name="Mllama",
        model_types=("mllama",),
        separate_reason="its cross-attention layers mask images per token, one sequence per row",
        note="Llama 3.2 Vision. Prompts with and without images can't share a forward pass.",
        encoded="",
        states=cross_attention_states,
        along_tokens=("cross_attention_mask",),
    ),
)
