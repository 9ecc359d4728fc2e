"""Real processors of many families for the tiny models, built without torchvision."""

# pyright: reportArgumentType=false, reportCallIssue=false
# pyright: reportPrivateUsage=false
# Reason: configurations are made of settings by name, and share a tokenizer.

from collections.abc import Callable
from contextlib import nullcontext
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import transformers as hf

import tiny_families
import tiny_llava
import tiny_parts
from groundtune.vlm.images_only import images_only


def _pil(module: str, name: str, **settings: Any) -> Any:
    found = import_module(f"transformers.models.{module}.image_processing_pil_{module}")
    return getattr(found, name)(**settings)


def _tokenizer(image: str, **named: str) -> Any:
    """A tokenizer with a placeholder for images, and other tokens by their attributes."""
    plain = tiny_llava._tokenizer()
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=plain.backend_tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": image, **named},
    )


def _template(image: str) -> str:
    return tiny_llava.TEMPLATE.replace("<image>", image)


PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>{% endif %}"
    "{% endfor %}"
    "{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}"
    "{% endif %}{% endfor %}"
    "{% if message['role'] == 'assistant' %}</s>{% endif %}"
    "{% endfor %}"
)
"""Without turns: images, the prompt, the answer."""

TILES: dict[str, Any] = {"image_grid_pinpoints": [[32, 32], [16, 32]]}


def llava() -> Any:
    square = {"height": 16, "width": 16}
    return hf.LlavaProcessor(
        _pil("clip", "CLIPImageProcessorPil", size={"shortest_edge": 16}, crop_size=square),
        tiny_llava._tokenizer(),
        patch_size=4,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=tiny_llava.TEMPLATE,
    )


def llava_next() -> Any:
    square = {"height": 16, "width": 16}
    return hf.LlavaNextProcessor(
        _pil(
            "llava_next",
            "LlavaNextImageProcessorPil",
            size={"shortest_edge": 16},
            crop_size=square,
            **TILES,
        ),
        tiny_llava._tokenizer(),
        patch_size=4,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=tiny_llava.TEMPLATE,
    )


def llava_onevision() -> Any:
    size = {"height": 16, "width": 16}
    return hf.LlavaOnevisionProcessor(
        _pil("llava_onevision", "LlavaOnevisionImageProcessorPil", size=size, **TILES),
        tiny_llava._tokenizer(),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=tiny_llava.TEMPLATE,
    )


def internvl() -> Any:
    tokenizer = _tokenizer(
        "<IMG_CONTEXT>",
        start_image_token="<img>",
        end_image_token="</img>",
        video_token="<video>",
        context_image_token="<IMG_CONTEXT>",
    )
    return hf.InternVLProcessor(
        _pil("got_ocr2", "GotOcr2ImageProcessorPil", size={"height": 16, "width": 16}),
        tokenizer,
        image_seq_length=4,
        chat_template=_template("<IMG_CONTEXT>"),
    )


def idefics3() -> Any:
    sizes = {"size": {"longest_edge": 32}, "max_image_size": {"longest_edge": 16}}
    return hf.Idefics3Processor(
        _pil("idefics3", "Idefics3ImageProcessorPil", **sizes),
        tiny_llava._tokenizer(),
        image_seq_len=4,
        chat_template=tiny_llava.TEMPLATE,
    )


def smolvlm() -> Any:
    """It needs num2words and torchvision."""
    from transformers.models.smolvlm.video_processing_smolvlm import SmolVLMVideoProcessor

    sizes = {"size": {"longest_edge": 32}, "max_image_size": {"longest_edge": 16}}
    return hf.SmolVLMProcessor(
        _pil("smolvlm", "SmolVLMImageProcessorPil", **sizes),
        tiny_llava._tokenizer(),
        SmolVLMVideoProcessor(),
        image_seq_len=4,
        chat_template=tiny_llava.TEMPLATE,
    )


def lfm2_vl() -> Any:
    """It needs torchvision."""
    return hf.Lfm2VlProcessor(
        hf.Lfm2VlImageProcessor(
            encoder_patch_size=4,
            tile_size=16,
            max_image_tokens=4,
            min_image_tokens=1,
            max_num_patches=16,
            do_image_splitting=False,
        ),
        tiny_llava._tokenizer(),
        chat_template=tiny_llava.TEMPLATE,
    )


def gemma3() -> Any:
    size = {"height": 16, "width": 16}
    return hf.Gemma3Processor(
        _pil("gemma3", "Gemma3ImageProcessorPil", size=size),
        _tokenizer("<soft>", boi_token="<boi>", eoi_token="<eoi>"),
        image_seq_length=4,
        chat_template=_template("<boi>"),
    )


def gemma4() -> Any:
    """An image is at most 70 tokens, the fewest it allows, of 2 x 2 patches each."""
    if hf.__version__.startswith("5.20.") and not find_spec("torchvision"):
        pytest.skip("transformers 5.20 imports torchvision for the processor of Gemma 4")
    tokenizer = _tokenizer(
        "<|image|>",
        boi_token="<|image>",
        eoi_token="<image|>",
        audio_token="<|audio|>",
        boa_token="<|audio>",
        eoa_token="<audio|>",
    )
    sizes = {"patch_size": 4, "max_soft_tokens": 70, "pooling_kernel_size": 2}
    return hf.Gemma4Processor(
        hf.Gemma4AudioFeatureExtractor(),
        _pil("gemma4", "Gemma4ImageProcessorPil", **sizes),
        tokenizer,
        image_seq_length=4,
        chat_template=_template("<|image|>"),
    )


def qwen3_vl_moe() -> Any:
    return _qwen(hf.Qwen3VLProcessor)


def deepseek_vl() -> Any:
    size = {"height": 16, "width": 16}
    return hf.DeepseekVLProcessor(
        _pil("deepseek_vl", "DeepseekVLImageProcessorPil", size=size, min_size=4),
        tiny_llava._tokenizer(),
        chat_template=tiny_llava.TEMPLATE,
        num_image_tokens=16,
    )


def glm4v() -> Any:
    size = {"shortest_edge": 64, "longest_edge": 512}
    return hf.Glm4vProcessor(
        _pil("glm4v", "Glm4vImageProcessorPil", patch_size=4, size=size),
        _tokenizer("<|image|>", video_token="<|video|>"),
        chat_template=_template("<|image|>"),
    )


def glm46v() -> Any:
    size = {"shortest_edge": 64, "longest_edge": 512}
    return hf.Glm46VProcessor(
        _pil("glm46v", "Glm46VImageProcessorPil", patch_size=4, size=size),
        _tokenizer("<|image|>", video_token="<|video|>"),
        chat_template=_template("<|image|>"),
    )


def aya_vision() -> Any:
    """An image is four tokens, and so is each of its tiles, next to tokens that divide them."""
    tokenizer = _tokenizer(
        "<|IMG_PATCH|>", image_start="<|START_OF_IMG|>", image_end="<|END_OF_IMG|>"
    )
    return hf.AyaVisionProcessor(
        _pil("got_ocr2", "GotOcr2ImageProcessorPil", size={"height": 16, "width": 16}),
        tokenizer,
        patch_size=4,
        img_size=16,
        downsample_factor=2,
        chat_template=tiny_llava.TEMPLATE,
    )


def ovis2() -> Any:
    tokenizer = _tokenizer(
        "<IMG_ATOM>",
        image_start="<IMG_START>",
        image_grid="<IMG_GRID>",
        image_column="<IMG_COL>",
        image_row="<IMG_ROW>",
        image_end="<IMG_END>",
    )
    return hf.Ovis2Processor(
        _pil("ovis2", "Ovis2ImageProcessorPil", size={"height": 16, "width": 16}),
        tokenizer,
        image_seq_length=4,
        chat_template=tiny_llava.TEMPLATE,
    )


def paddleocr_vl() -> Any:
    size = {"shortest_edge": 64, "longest_edge": 512}
    return hf.PaddleOCRVLProcessor(
        _pil("paddleocr_vl", "PaddleOCRVLImageProcessorPil", patch_size=4, size=size),
        _tokenizer("<|IMAGE_PLACEHOLDER|>"),
        chat_template=_template("<|IMAGE_PLACEHOLDER|>"),
    )


def mllama() -> Any:
    size = {"height": 16, "width": 16}
    return hf.MllamaProcessor(
        _pil("mllama", "MllamaImageProcessorPil", size=size, max_image_tiles=2),
        tiny_llava._tokenizer(),
        chat_template=tiny_llava.TEMPLATE,
    )


def instructblip() -> Any:
    """It puts images before the prompt; its template has none."""
    size = {"height": 16, "width": 16}
    plain = tiny_llava._tokenizer().backend_tokenizer
    ends = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    tokenizers = [hf.PreTrainedTokenizerFast(tokenizer_object=plain, **ends) for _ in range(2)]
    made = hf.InstructBlipProcessor(
        _pil("blip", "BlipImageProcessorPil", size=size), *tokenizers, num_query_tokens=4
    )
    made.chat_template = _template("")
    return made


def _qwen(make: Any) -> Any:
    settings = {"patch_size": 4, "min_pixels": 64, "max_pixels": 256}
    return make(
        _pil("qwen2_vl", "Qwen2VLImageProcessorPil", **settings),
        _tokenizer(
            "<|image_pad|>",
            video_token="<|video_pad|>",
            vision_bos_token="<|vision_start|>",
            vision_eos_token="<|vision_end|>",
        ),
        chat_template=_template("<|vision_start|><|image_pad|><|vision_end|>"),
    )


def qwen2_vl() -> Any:
    return _qwen(hf.Qwen2VLProcessor)


def qwen3_5() -> Any:
    return _qwen(hf.Qwen3VLProcessor)


def qwen2_5_vl() -> Any:
    return _qwen(hf.Qwen2_5_VLProcessor)


def qwen3_vl() -> Any:
    return _qwen(hf.Qwen3VLProcessor)


def paligemma() -> Any:
    """It adds the start token after the images and a line break after the prompt."""
    size = {"height": 16, "width": 16}
    image_processor = _pil("siglip", "SiglipImageProcessorPil", size=size)
    image_processor.image_seq_length = 16
    tokenizer = tiny_llava._tokenizer()
    return hf.PaliGemmaProcessor(image_processor, tokenizer, chat_template=PLAIN_TEMPLATE)


PROCESSORS: tuple[Callable[[], Any], ...] = (
    llava,
    llava_next,
    llava_onevision,
    internvl,
    idefics3,
    gemma3,
    gemma4,
    qwen2_vl,
    qwen2_5_vl,
    qwen3_vl,
    qwen3_5,
    mllama,
    instructblip,
    paligemma,
    qwen3_vl_moe,
    deepseek_vl,
    glm4v,
    glm46v,
    aya_vision,
    ovis2,
    paddleocr_vl,
)
"""Of listed families whose processors need no further package."""

WITH_PACKAGES: tuple[Callable[[], Any], ...] = (smolvlm, lfm2_vl)
"""Of listed families whose processors need the packages in `Family.packages`."""


def saved(make: Callable[[], Any], folder: Path) -> str:
    """Save a family's tiny model with its processor, and return the folder."""
    model, processor = with_model(make)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


def with_model(make: Callable[[], Any]) -> tuple[Any, Any]:
    """A processor, and the tiny model of its family with a vocabulary that is large enough."""
    with nullcontext() if make in WITH_PACKAGES else images_only():
        processor = make()
    tokens = tiny_parts.TEXT | {"vocab_size": len(processor.tokenizer)}
    image = processor.tokenizer.convert_tokens_to_ids(
        getattr(processor.tokenizer, "image_token", "<image>")
    )
    kept = (tiny_parts.TEXT, tiny_parts.IMAGE, tiny_parts.QWEN_IDS)
    ids = tiny_parts.QWEN_IDS | {"image_token_id": image, "video_token_id": image + 1}
    tiny_parts.TEXT, tiny_parts.IMAGE, tiny_parts.QWEN_IDS = tokens, image, ids
    try:
        builds = (*tiny_families.PACKED, *tiny_families.ALONE)
        vlm, _ = tiny_families.fresh({each.__name__: each for each in builds}[make.__name__])
    finally:
        tiny_parts.TEXT, tiny_parts.IMAGE, tiny_parts.QWEN_IDS = kept
    return vlm.model, processor
