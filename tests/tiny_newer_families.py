"""Tiny random models of newer families, as in tiny_families.py."""

# pyright: reportArgumentType=false, reportCallIssue=false
# pyright: reportPrivateUsage=false
# Reason: configurations are made of settings by name, and share a tokenizer.

from collections.abc import Callable
from typing import Any

import torch
import transformers as hf

import tiny_parts as parts
from groundtune.vlm.encoded import EncodedPrompt
from tiny_parts import Built, encoded_prompt, images, rope

GLM_VISION: dict[str, Any] = {
    "depth": 2,
    "hidden_size": 32,
    "num_heads": 2,
    "intermediate_size": 64,
    "out_hidden_size": 32,
    "image_size": 32,
    "patch_size": 4,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
}


def qwen3_vl_moe() -> Built:
    """Every token goes to two of four experts, whose weights are fused."""
    vision = {**parts.QWEN_VISION, "deepstack_visual_indexes": [0], "num_position_embeddings": 64}
    text = {
        **parts.TEXT,
        "head_dim": 8,
        "rope_parameters": rope(2, 1, 1),
        "moe_intermediate_size": 16,
        "num_experts": 4,
        "num_experts_per_tok": 2,
    }
    config = hf.Qwen3VLMoeConfig(text_config=text, vision_config=vision, **parts.QWEN_IDS)
    return hf.Qwen3VLMoeForConditionalGeneration(config), parts.qwen_prompts()


def _glm_ids() -> dict[str, int]:
    return {
        "image_token_id": parts.IMAGE,
        "video_token_id": 101,
        "image_start_token_id": 102,
        "image_end_token_id": 103,
        "video_start_token_id": 104,
        "video_end_token_id": 105,
    }


def glm4v() -> Built:
    text = {**parts.TEXT, "rope_parameters": rope(1, 1, 2), "pad_token_id": 0}
    config = hf.Glm4vConfig(text_config=text, vision_config=GLM_VISION, **_glm_ids())
    return hf.Glm4vForConditionalGeneration(config), parts.qwen_prompts()


def glm46v() -> Built:
    text = {**parts.TEXT, "model_type": "glm4v_text", "rope_parameters": rope(1, 1, 2)}
    vision = {**GLM_VISION, "model_type": "glm4v_vision"}
    config = hf.Glm46VConfig(text_config=text, vision_config=vision, **_glm_ids())
    return hf.Glm46VForConditionalGeneration(config), parts.qwen_prompts()


def aya_vision() -> Built:
    """Its first layer sees a window of eight tokens."""
    text = {
        **parts.TEXT,
        "model_type": "cohere2",
        "sliding_window": 8,
        "layer_types": ["sliding_attention", "full_attention"],
    }
    config = hf.AyaVisionConfig(
        text_config=text,
        vision_config=parts.SIGLIP,
        image_token_index=parts.IMAGE,
        downsample_factor=2,
    )
    return hf.AyaVisionForConditionalGeneration(config), _squares(4)


def _squares(tokens: int) -> list[EncodedPrompt]:
    """Prompts with one and with two square images of so many tokens."""
    return [
        encoded_prompt([1, *[parts.IMAGE] * tokens * count], words, **images(count))
        for count, words in ((1, 3), (2, 6))
    ]


def mistral3() -> Built:
    text = {**parts.TEXT, "model_type": "mistral", "head_dim": 8, "sliding_window": None}
    vision = {**parts.VISION, "model_type": "pixtral", "head_dim": 16}
    config = hf.Mistral3Config(
        text_config=text, vision_config=vision, image_token_index=parts.IMAGE, spatial_merge_size=2
    )
    prompts = _squares(4)
    for prompt, count in zip(prompts, (1, 2), strict=True):
        prompt.features["image_sizes"] = torch.tensor([[16, 16]] * count)
    return hf.Mistral3ForConditionalGeneration(config), prompts


def ovis2() -> Built:
    text = {**parts.TEXT, "model_type": "qwen2"}
    vision = {
        **parts.VISION,
        "model_type": "ovis2_vision",
        "vocab_size": 40,
        "hidden_stride": 2,
        "num_visual_indicator_tokens": 5,
    }
    config = hf.Ovis2Config(
        text_config=text,
        vision_config=vision,
        image_token_id=parts.IMAGE,
        visual_indicator_token_ids=[parts.IMAGE + place for place in range(1, 6)],
        hidden_size=32,
        vocab_size=parts.TEXT["vocab_size"],
    )
    prompts = [
        encoded_prompt([1, *[101, *[parts.IMAGE] * 4, 105] * count], words, **images(count))
        for count, words in ((1, 3), (2, 6))
    ]
    return hf.Ovis2ForConditionalGeneration(config), prompts


def paddleocr_vl() -> Built:
    text = {**parts.TEXT, "head_dim": 8, "rope_parameters": rope(2, 1, 1)}
    vision = {**parts.VISION, "spatial_merge_size": 2}
    config = hf.PaddleOCRVLConfig(text_config=text, vision_config=vision, **parts.QWEN_IDS)
    prompts = parts.qwen_prompts()
    for prompt in prompts:
        pixels = prompt.features["pixel_values"]
        prompt.features["pixel_values"] = torch.randn(len(pixels), 3, 4, 4)
    return hf.PaddleOCRVLForConditionalGeneration(config), prompts


def deepseek_vl() -> Built:
    text = {**parts.TEXT, "model_type": "llama"}
    config = hf.DeepseekVLConfig(
        text_config=text, vision_config=parts.SIGLIP, image_token_id=parts.IMAGE
    )
    return hf.DeepseekVLForConditionalGeneration(config), _squares(16)


def gemma4(**more: Any) -> Built:
    """A window of eight tokens, inputs of its own for each layer, and images seen both ways.

    `more` are further settings of its text model.
    """
    text = {
        **parts.TEXT,
        "head_dim": 16,
        "global_head_dim": 16,
        "sliding_window": 8,
        "layer_types": ["sliding_attention", "full_attention"],
        "hidden_size_per_layer_input": 8,
        "vocab_size_per_layer_input": parts.TEXT["vocab_size"],
        "use_bidirectional_attention": "vision",
        **more,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "patch_size": 4,
        "pooling_kernel_size": 2,
        "position_embedding_size": 64,
    }
    config = hf.Gemma4Config(
        text_config=text,
        vision_config=vision,
        image_token_id=parts.IMAGE,
        boi_token_id=102,
        eoi_token_id=103,
        video_token_id=101,
        audio_token_id=104,
        boa_token_id=105,
        eoa_token_index=106,
    )
    places = torch.tensor([[x, y] for y in range(4) for x in range(4)])
    prompts = [
        encoded_prompt(
            [1, *[102, *[parts.IMAGE] * 4, 103] * count],
            words,
            "mm_token_type_ids",
            pixel_values=torch.rand(count, 16, 48),
            image_position_ids=places[None].repeat(count, 1, 1),
        )
        for count, words in ((1, 3), (2, 12))
    ]
    return hf.Gemma4ForConditionalGeneration(config), prompts


def kimi_k25() -> Built:
    text = {
        **parts.TEXT,
        "model_type": "deepseek_v3",
        "num_key_value_heads": 4,
        "moe_intermediate_size": 16,
        "n_routed_experts": 4,
        "n_shared_experts": 1,
        "num_experts_per_tok": 2,
        "n_group": 1,
        "topk_group": 1,
        "first_k_dense_replace": 1,
        "kv_lora_rank": 16,
        "q_lora_rank": 16,
        "qk_rope_head_dim": 8,
        "qk_nope_head_dim": 8,
        "v_head_dim": 8,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "patch_size": 4,
        "pos_emb_height": 8,
        "pos_emb_width": 8,
        "pos_emb_time": 2,
    }
    config = hf.Kimi_K25Config(
        text_config=text,
        vision_config=vision,
        projection_hidden_size=32,
        **parts.QWEN_IDS,
    )
    prompts = parts.qwen_prompts()
    for prompt in prompts:
        prompt.marks.clear()
        pixels = prompt.features["pixel_values"]
        prompt.features["pixel_values"] = torch.randn(len(pixels), 3, 4, 4)
    return hf.Kimi_K25ForConditionalGeneration(config), prompts


PACKED: tuple[Callable[[], Built], ...] = (
    qwen3_vl_moe,
    glm4v,
    glm46v,
    aya_vision,
    mistral3,
    ovis2,
    paddleocr_vl,
    deepseek_vl,
    kimi_k25,
)
ALONE: tuple[Callable[[], Built], ...] = (gemma4,)
