"""Parts of the tiny models of families: sizes, tokens, prompts."""

from dataclasses import replace
from typing import Any

import torch

from groundtune.vlm.encoded import EncodedPrompt

IMAGE = 100
TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 120,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
VISION: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 4,
}
SIGLIP = {**VISION, "model_type": "siglip_vision_model", "vision_use_head": False}
QWEN_VISION: dict[str, Any] = {
    "depth": 2,
    "hidden_size": 32,
    "num_heads": 2,
    "intermediate_size": 64,
    "out_hidden_size": 32,
    "patch_size": 4,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
}
QWEN_IDS = {
    "image_token_id": IMAGE,
    "video_token_id": 101,
    "vision_start_token_id": 102,
    "vision_end_token_id": 103,
}
Built = tuple[Any, list[EncodedPrompt]]


def encoded_prompt(
    image: list[int], words: int, mark: str = "", **features: torch.Tensor
) -> EncodedPrompt:
    ids = [*image, *range(5, 5 + words)]
    marks = {mark: torch.tensor([int(i == IMAGE) for i in ids])} if mark else {}
    return EncodedPrompt(ids=tuple(ids), features=features, marks=marks)


def images(count: int, *before: int, **rest: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"pixel_values": torch.randn(count, *before, 3, 16, 16), **rest}


def qwen_prompts() -> list[EncodedPrompt]:
    """Images of two sizes, one and two; what follows stands nearer than by their tokens."""
    return [
        encoded_prompt(
            [token for height in heights for token in (102, *[IMAGE] * height, 103)],
            words,
            "mm_token_type_ids",
            pixel_values=torch.randn(sum(heights) * 4, 96),
            image_grid_thw=torch.tensor([[1, height, 4] for height in heights]),
        )
        for heights, words in (((4,), 3), ((8, 4), 6))
    ]


def rope(*sections: int) -> dict[str, Any]:
    return {"rope_type": "default", "mrope_section": sections, "rope_theta": 1e4}


def other_image(prompt: EncodedPrompt) -> EncodedPrompt:
    """Return the prompt with other pixels, for each of its towers."""
    features = {
        name: torch.randn_like(value) if name.endswith("pixel_values") else value
        for name, value in prompt.features.items()
    }
    return replace(prompt, features=features)
