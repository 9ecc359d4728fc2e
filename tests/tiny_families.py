"""Tiny random models of many families, with prompts, made from configurations without a processor.

Weights have unit gain: at their default initialisation all tokens would be about equally likely,
and no comparison could fail. Each family has two prompts of different lengths, one of them with two
images where the family takes several.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import torch
import transformers as hf

import tiny_newer_families as newer
import tiny_parts as parts
from groundtune.engine.rows import PromptRow
from groundtune.vlm.encoded import EncodedAnswer, EncodedPrompt
from groundtune.vlm.load import Vlm
from tiny_parts import Built, encoded_prompt, images, qwen_prompts, rope


def llava() -> Built:
    vision = {**parts.VISION, "model_type": "clip_vision_model"}
    config = hf.LlavaConfig(
        text_config={**parts.TEXT, "model_type": "llama"},
        vision_config=vision,
        image_token_id=parts.IMAGE,
        vision_feature_layer=-1,
    )
    prompts = [
        encoded_prompt([1, *[parts.IMAGE] * 16 * count], words, **images(count))
        for count, words in ((1, 3), (2, 6))
    ]
    return hf.LlavaForConditionalGeneration(config), prompts


def llava_next() -> Built:
    """An image as wide as high in four tiles, and one that is cut to a third of its height."""
    config = hf.LlavaNextConfig(
        text_config={**parts.TEXT, "model_type": "mistral", "sliding_window": 30},
        vision_config={**parts.VISION, "model_type": "clip_vision_model"},
        image_token_id=parts.IMAGE,
        vision_feature_layer=-1,
        image_grid_pinpoints=[[32, 32], [16, 32]],
    )
    prompts = [
        encoded_prompt(
            [1, *[parts.IMAGE] * (16 + 8 * 9)],
            3,
            **images(1, 5, image_sizes=torch.tensor([[30, 31]])),
        ),
        encoded_prompt(
            [1, *[parts.IMAGE] * (16 + 4 * 9)],
            6,
            **images(1, 3, image_sizes=torch.tensor([[16, 32]])),
        ),
    ]
    return hf.LlavaNextForConditionalGeneration(config), prompts


def llava_onevision() -> Built:
    """An image in tiles, and two images without."""
    config = hf.LlavaOnevisionConfig(
        text_config={**parts.TEXT, "model_type": "qwen2"},
        vision_config={
            **parts.VISION,
            "model_type": "siglip_vision_model",
            "vision_use_head": False,
        },
        image_token_id=parts.IMAGE,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        image_grid_pinpoints=[[32, 32], [16, 32]],
    )
    one = images(1, 3, image_sizes=torch.tensor([[16, 32]]), batch_num_images=torch.tensor([1]))
    two = images(
        2, 1, image_sizes=torch.tensor([[16, 16], [16, 32]]), batch_num_images=torch.tensor([2])
    )
    prompts = [
        encoded_prompt([parts.IMAGE] * (16 + 4 * 9), 3, **one),
        encoded_prompt([parts.IMAGE] * 34, 6, **two),
    ]
    return hf.LlavaOnevisionForConditionalGeneration(config), prompts


def qwen2_vl() -> Built:
    vision = {
        **{
            k: v
            for k, v in parts.QWEN_VISION.items()
            if k not in ("intermediate_size", "out_hidden_size")
        },
        "embed_dim": 32,
        "hidden_size": 32,
        "mlp_ratio": 2,
    }
    text = {**parts.TEXT, "rope_parameters": rope(1, 1, 2)}
    config = hf.Qwen2VLConfig(text_config=text, vision_config=vision, **parts.QWEN_IDS)
    return hf.Qwen2VLForConditionalGeneration(config), qwen_prompts()


def qwen2_5_vl() -> Built:
    """With a window of eight tokens in its second layer, which the real ones have switched off."""
    vision = {**parts.QWEN_VISION, "window_size": 16, "fullatt_block_indexes": [1]}
    text = {
        **parts.TEXT,
        "rope_parameters": rope(1, 1, 2),
        "use_sliding_window": True,
        "sliding_window": 8,
        "max_window_layers": 1,
    }
    config = hf.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **parts.QWEN_IDS)
    return hf.Qwen2_5_VLForConditionalGeneration(config), qwen_prompts()


def qwen3_vl() -> Built:
    vision = {**parts.QWEN_VISION, "deepstack_visual_indexes": [0], "num_position_embeddings": 64}
    text = {**parts.TEXT, "head_dim": 8, "rope_parameters": rope(2, 1, 1)}
    config = hf.Qwen3VLConfig(text_config=text, vision_config=vision, **parts.QWEN_IDS)
    return hf.Qwen3VLForConditionalGeneration(config), qwen_prompts()


def internvl() -> Built:
    text = {**parts.TEXT, "model_type": "qwen2"}
    vision = {**parts.VISION, "image_size": [16, 16], "patch_size": [4, 4]}
    config = hf.InternVLConfig(text_config=text, vision_config=vision, image_token_id=parts.IMAGE)
    prompts = [
        encoded_prompt([parts.IMAGE] * 4 * tiles, words, **images(tiles))
        for tiles, words in ((1, 3), (2, 6))
    ]
    return hf.InternVLForConditionalGeneration(config), prompts


def gemma3() -> Built:
    """Its window of eight tokens is shorter than a prompt."""
    text = {
        **parts.TEXT,
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
        "sliding_window": 8,
        "layer_types": ["sliding_attention", "full_attention"],
    }
    config = hf.Gemma3Config(
        text_config=text,
        vision_config=parts.VISION,
        mm_tokens_per_image=4,
        image_token_id=parts.IMAGE,
        image_token_index=parts.IMAGE,
        boi_token_index=102,
        eoi_token_index=103,
    )
    image = [102, *[parts.IMAGE] * 4, 103]
    prompts = [
        encoded_prompt([1, *image * count], words, "token_type_ids", **images(count))
        for count, words in ((1, 3), (2, 12))
    ]
    return hf.Gemma3ForConditionalGeneration(config), prompts


def tiled(config: Any) -> list[EncodedPrompt]:
    return [
        encoded_prompt(
            [parts.IMAGE] * 4 * tiles,
            words,
            pixel_values=torch.randn(1, tiles, 3, 16, 16),
            pixel_attention_mask=torch.ones(1, tiles, 16, 16, dtype=torch.long),
        )
        for tiles, words in ((1, 3), (2, 6))
    ]


def idefics3() -> Built:
    config = hf.Idefics3Config(
        text_config={**parts.TEXT, "model_type": "llama"},
        vision_config=parts.VISION,
        image_token_id=parts.IMAGE,
        scale_factor=2,
        pad_token_id=0,
    )
    return hf.Idefics3ForConditionalGeneration(config), tiled(config)


def smolvlm() -> Built:
    config = hf.SmolVLMConfig(
        text_config={**parts.TEXT, "model_type": "llama"},
        vision_config=parts.VISION,
        image_token_id=parts.IMAGE,
        scale_factor=2,
        pad_token_id=0,
    )
    return hf.SmolVLMForConditionalGeneration(config), tiled(config)


PACKED: tuple[Callable[[], Built], ...] = (
    llava,
    llava_next,
    llava_onevision,
    internvl,
    idefics3,
    smolvlm,
    gemma3,
    qwen2_vl,
    qwen2_5_vl,
    qwen3_vl,
    *newer.PACKED,
)
"""Families whose answers share a row."""


def answer(*ids: int) -> EncodedAnswer:
    return EncodedAnswer(ids=ids, offsets=((0, 1),) * len(ids))


def built(build: Callable[[], Built]) -> tuple[Vlm, list[PromptRow]]:
    """The family's model, and a row with three answers and one with two; a test's own copy."""
    vlm, rows = _kept(build)
    return replace(vlm, model=deepcopy(vlm.model)), rows


@cache
def _kept(build: Callable[[], Built]) -> tuple[Vlm, list[PromptRow]]:
    return fresh(build)


def fresh(build: Callable[[], Built]) -> tuple[Vlm, list[PromptRow]]:
    """The same, built anew."""
    torch.manual_seed(0)
    model, prompts = build()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
        elif parameter.numel() == 1:
            torch.nn.init.ones_(parameter)  # Mllama's gates are closed at first
    processor = SimpleNamespace(tokenizer=SimpleNamespace(pad_token_id=0))
    vlm = Vlm(
        model=model.eval(), processor=processor, name="", revision="r", device=torch.device("cpu")
    )
    answers = (
        (answer(30, 31, 32, 33, 2), answer(40, 2), answer(30, 31, 32, 41, 42, 2)),
        (answer(50, 51, 52, 53, 54, 55, 56, 57, 58, 2), answer(2)),
    )
    return vlm, [PromptRow(prompt, each) for prompt, each in zip(prompts, answers, strict=True)]


def plain(vlm: Vlm, row: PromptRow, ids: tuple[int, ...]) -> torch.Tensor:
    """The oracle: one unpadded forward pass of prompt and answer, softmax over all positions."""
    whole, start = torch.tensor([[*row.prompt.ids, *ids]]), len(row.prompt.ids)
    causal = int(vlm.model.config.model_type == "paligemma")  # its answers' token type
    marks = {
        name: torch.nn.functional.pad(mark, (0, len(ids)), value=causal)[None]
        for name, mark in row.prompt.marks.items()
    }
    mask = torch.ones_like(whole)
    inputs = {**row.prompt.features, **marks}
    if (sees := inputs.get("cross_attention_mask")) is not None:
        sees = torch.cat([sees, sees[:, -1:].expand(-1, len(ids), -1, -1)], 1)
        inputs["cross_attention_mask"] = sees
    logits = vlm.model(input_ids=whole, attention_mask=mask, use_cache=False, **inputs).logits[0]
    logp = logits.float().log_softmax(-1)
    return logp[torch.arange(start - 1, whole.shape[1] - 1), torch.tensor(ids)]


def qwen3_5() -> Built:
    vision = {**parts.QWEN_VISION, "num_position_embeddings": 64}
    text = {
        **parts.TEXT,
        "num_hidden_layers": 2,
        "layer_types": ["linear_attention", "full_attention"],
        "head_dim": 16,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "rope_parameters": {
            **rope(2, 1, 1),
            "partial_rotary_factor": 0.5,
            "mrope_interleaved": True,
        },
    }
    config = hf.Qwen3_5Config(text_config=text, vision_config=vision, **parts.QWEN_IDS)
    return hf.Qwen3_5ForConditionalGeneration(config), qwen_prompts()


def lfm2_vl() -> Built:
    text = {
        **parts.TEXT,
        "layer_types": ["conv", "full_attention"],
        "block_auto_adjust_ff_dim": False,
    }
    vision = {
        **{k: v for k, v in parts.VISION.items() if k != "image_size"},
        "num_patches": 16,
        "vision_use_head": False,
    }
    config = hf.Lfm2VlConfig(
        text_config=text, vision_config=vision, image_token_id=parts.IMAGE, projector_hidden_size=32
    )
    prompts = [
        encoded_prompt(
            [1, *[parts.IMAGE] * 4 * count],
            words,
            pixel_values=torch.randn(count, 16, 48),
            spatial_shapes=torch.tensor([[4, 4]] * count),
            pixel_attention_mask=torch.ones(count, 16, dtype=torch.long),
        )
        for count, words in ((1, 3), (2, 6))
    ]
    return hf.Lfm2VlForConditionalGeneration(config), prompts


def mllama() -> Built:
    """Its prompts hold one token an image; a text token sees the images before it."""
    vision = {
        "hidden_size": 32,
        "attention_heads": 2,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_global_layers": 1,
        "image_size": 16,
        "patch_size": 4,
        "vision_output_dim": 64,
        "max_num_tiles": 2,
        "intermediate_layers_indices": [0],
        "supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]],
    }
    text = {**parts.TEXT, "num_hidden_layers": 2, "cross_attention_layers": [1]}
    config = hf.MllamaConfig(text_config=text, vision_config=vision, image_token_index=parts.IMAGE)
    prompts = list[EncodedPrompt]()
    for tiles, words in ((1, 3), (2, 6)):
        sees = torch.zeros(1, 1 + words + 1, 1, 2, dtype=torch.long)
        sees[:, 1:, :, :tiles] = 1
        prompts.append(
            encoded_prompt(
                [1, parts.IMAGE],
                words,
                pixel_values=torch.randn(1, 1, 2, 3, 16, 16),
                aspect_ratio_ids=torch.tensor([[tiles]]),
                aspect_ratio_mask=torch.tensor([[[1, int(tiles == 2)]]]),
                cross_attention_mask=sees,
            )
        )
    return hf.MllamaForConditionalGeneration(config), prompts


def instructblip() -> Built:
    """Its images are read with the instruction in mind, which a second tokenizer has cut."""
    config = hf.InstructBlipConfig(
        vision_config=parts.VISION,
        qformer_config={**parts.TEXT, "encoder_hidden_size": 32, "cross_attention_frequency": 1},
        text_config={**parts.TEXT, "model_type": "llama"},
        num_query_tokens=4,
        image_token_index=parts.IMAGE,
    )
    prompts = [
        encoded_prompt(
            [*[parts.IMAGE] * 4, 1],
            words,
            pixel_values=torch.randn(1, 3, 16, 16),
            qformer_input_ids=torch.arange(20, 20 + words)[None],
            qformer_attention_mask=torch.ones(1, words, dtype=torch.long),
        )
        for words in (3, 6)
    ]
    return hf.InstructBlipForConditionalGeneration(config), prompts


def paligemma() -> Built:
    """The tokens of a prompt see each other, which its marks, all 0, say."""
    config = hf.PaliGemmaConfig(
        text_config={**parts.TEXT, "model_type": "gemma", "head_dim": 8},
        vision_config={
            **parts.VISION,
            "model_type": "siglip_vision_model",
            "vision_use_head": False,
        },
        image_token_id=parts.IMAGE,
        image_token_index=parts.IMAGE,
        projection_dim=32,
        hidden_size=32,
    )
    prompts = [
        encoded_prompt([*[parts.IMAGE] * 16 * count, 1], words, **images(count))
        for count, words in ((1, 3), (2, 6))
    ]
    for prompt in prompts:
        prompt.marks["token_type_ids"] = torch.zeros(len(prompt.ids), dtype=torch.long)
    return hf.PaliGemmaForConditionalGeneration(config), prompts


ALONE: tuple[Callable[[], Built], ...] = (
    qwen3_5,
    lfm2_vl,
    mllama,
    instructblip,
    paligemma,
    *newer.ALONE,
)
"""Families whose answers are run as rows of their own."""

SHARED = tuple(build for build in (*PACKED, *ALONE) if build is not newer.ovis2)
"""Families whose forward takes encoded images."""
