"""The separate engine against plain passes on tiny random models of other families.

The models are made from configurations and the prompts by hand, so no processor is needed. Weights
have unit gain: at their default initialisation all tokens would be about equally likely, and
nothing could fail.
"""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers as hf

from groundtune.engine.features import share_images
from groundtune.engine.rows import Row
from groundtune.engine.separate import separate
from groundtune.vlm.batch import batch_inputs
from groundtune.vlm.encode import EncodedAnswer, EncodedPrompt
from groundtune.vlm.load import Vlm

IMAGE = 100
TEXT: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
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
QWEN_VISION: dict[str, Any] = {
    "depth": 2,
    "hidden_size": 32,
    "num_heads": 2,
    "intermediate_size": 64,
    "out_hidden_size": 64,
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


def asked(image: list[int], words: int, mark: str = "", **features: torch.Tensor) -> EncodedPrompt:
    ids = [*image, *range(5, 5 + words)]
    marks = {mark: torch.tensor([int(i == IMAGE) for i in ids])} if mark else {}
    return EncodedPrompt(ids=tuple(ids), features=features, marks=marks)


def qwen_prompts() -> list[EncodedPrompt]:
    """Pictures of two sizes: the positions of what follows depend on them."""
    return [
        asked(
            [102, *[IMAGE] * (height // 2), 103],
            words,
            "mm_token_type_ids",
            pixel_values=torch.randn(height * 2, 96),
            image_grid_thw=torch.tensor([[1, height, 2]]),
        )
        for height, words in ((4, 3), (8, 6))
    ]


def qwen2_5_vl() -> Built:
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e4}
    vision = {**QWEN_VISION, "window_size": 16, "fullatt_block_indexes": [1]}
    text = {**TEXT, "rope_parameters": rope}
    config = hf.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **QWEN_IDS)
    return hf.Qwen2_5_VLForConditionalGeneration(config), qwen_prompts()


def qwen3_vl() -> Built:
    rope = {"rope_type": "default", "mrope_section": [3, 3, 2], "rope_theta": 1e4}
    vision = {**QWEN_VISION, "deepstack_visual_indexes": [0], "num_position_embeddings": 64}
    text = {**TEXT, "head_dim": 16, "rope_parameters": rope}
    config = hf.Qwen3VLConfig(text_config=text, vision_config=vision, **QWEN_IDS)
    return hf.Qwen3VLForConditionalGeneration(config), qwen_prompts()


def internvl() -> Built:
    text = {**TEXT, "model_type": "qwen2"}
    vision = {**VISION, "image_size": [16, 16], "patch_size": [4, 4]}
    config = hf.InternVLConfig(text_config=text, vision_config=vision, image_token_id=IMAGE)
    prompts = [
        asked([IMAGE] * 4 * tiles, words, pixel_values=torch.randn(tiles, 3, 16, 16))
        for tiles, words in ((1, 3), (2, 6))
    ]
    return hf.InternVLForConditionalGeneration(config), prompts


def gemma3() -> Built:
    text = {
        **TEXT,
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
        "sliding_window": 8,
        "layer_types": ["sliding_attention", "full_attention"],
    }
    config = hf.Gemma3Config(
        text_config=text,
        vision_config=VISION,
        mm_tokens_per_image=4,
        image_token_id=IMAGE,
        image_token_index=IMAGE,
        boi_token_index=102,
        eoi_token_index=103,
    )
    image = [1, 102, *[IMAGE] * 4, 103]
    prompts = [
        asked(image, words, "token_type_ids", pixel_values=torch.randn(1, 3, 16, 16))
        for words in (3, 12)
    ]
    return hf.Gemma3ForConditionalGeneration(config), prompts


def idefics3() -> Built:
    config = hf.Idefics3Config(
        text_config={**TEXT, "model_type": "llama"},
        vision_config=VISION,
        image_token_id=IMAGE,
        scale_factor=2,
        pad_token_id=0,
    )
    prompts = [
        asked(
            [IMAGE] * 4 * tiles,
            words,
            pixel_values=torch.randn(1, tiles, 3, 16, 16),
            pixel_attention_mask=torch.ones(1, tiles, 16, 16, dtype=torch.long),
        )
        for tiles, words in ((1, 3), (2, 6))
    ]
    return hf.Idefics3ForConditionalGeneration(config), prompts


FAMILIES = {
    qwen2_5_vl: True,
    qwen3_vl: False,  # its encoder hands on features of several layers
    internvl: True,
    gemma3: True,
    idefics3: True,
}


def answer(*ids: int) -> EncodedAnswer:
    return EncodedAnswer(ids=ids, offsets=((0, 1),) * len(ids))


def built(build: Callable[[], Built]) -> tuple[Vlm, list[Row]]:
    torch.manual_seed(0)
    model, prompts = build()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    processor = SimpleNamespace(tokenizer=SimpleNamespace(pad_token_id=0))
    vlm = Vlm(
        model=model.eval(), processor=processor, name="", revision="", device=torch.device("cpu")
    )
    answers = [(answer(30, 31, 2), answer(40, 2)), (answer(50, 51, 52, 53, 2), answer(60, 61, 2))]
    return vlm, [Row(prompt, each) for prompt, each in zip(prompts, answers, strict=True)]


def plain(vlm: Vlm, row: Row, ids: tuple[int, ...]) -> torch.Tensor:
    """One unpadded forward pass."""
    whole, start = torch.tensor([[*row.prompt.ids, *ids]]), len(row.prompt.ids)
    marks = {
        name: torch.nn.functional.pad(mark, (0, len(ids)))[None]
        for name, mark in row.prompt.marks.items()
    }
    mask = torch.ones_like(whole)
    inputs = {**row.prompt.features, **marks}
    logits = vlm.model(input_ids=whole, attention_mask=mask, use_cache=False, **inputs).logits[0]
    logp = logits.float().log_softmax(-1)
    return logp[torch.arange(start - 1, whole.shape[1] - 1), torch.tensor(ids)]


@pytest.mark.parametrize("build", FAMILIES, ids=lambda build: build.__name__)
def test_a_padded_batch_equals_plain_passes_in_this_family(build: Callable[[], Built]):
    vlm, rows = built(build)
    with torch.no_grad():
        found = separate(vlm, rows)
        for row, scored in zip(rows, found, strict=True):
            for each, logp in zip(row.answers, scored, strict=True):
                assert float((logp - plain(vlm, row, each.ids)).abs().max()) < 1e-5
        first = rows[0].prompt
        pixels = {
            **first.features,
            "pixel_values": torch.randn_like(first.features["pixel_values"]),
        }
        blind = Row(replace(first, features=pixels), rows[0].answers)
        other = separate(vlm, [blind])[0][0]
        assert float((other - found[0][0]).abs().max()) > 0.05


@pytest.mark.parametrize("build", FAMILIES, ids=lambda build: build.__name__)
def test_images_are_shared_where_the_family_encodes_them_one_by_one(build: Callable[[], Built]):
    vlm, rows = built(build)
    inputs = batch_inputs(vlm, [row.prompt for row in rows for _ in row.answers])
    with torch.no_grad():
        assert ("mm_encoder_outputs" in share_images(vlm, rows, inputs)) == FAMILIES[build]
