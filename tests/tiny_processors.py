"""Real processors of many families for the tiny models, built without torchvision."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import transformers as hf

import tiny_families
import tiny_llava
from groundtune.vlm.images_only import images_only


def _pil(module: str, name: str, **settings: Any) -> Any:
    found = import_module(f"transformers.models.{module}.image_processing_pil_{module}")
    return getattr(found, name)(**settings)


def _tokenizer(image: str, *others: str) -> Any:
    tokenizer = tiny_llava._tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": [image, *others]})
    tokenizer.image_token = image
    tokenizer.image_token_id = tokenizer.convert_tokens_to_ids(image)
    return tokenizer


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
    names = {"start_image_token": "<img>", "end_image_token": "</img>", "video_token": "<video>"}
    tokenizer = _tokenizer("<IMG_CONTEXT>", *names.values())
    for name, token in {**names, "context_image_token": "<IMG_CONTEXT>"}.items():
        setattr(tokenizer, name, token)
        setattr(tokenizer, f"{name}_id", tokenizer.convert_tokens_to_ids(token))
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


def _qwen(make: Any) -> Any:
    settings = {"patch_size": 4, "min_pixels": 64, "max_pixels": 256}
    return make(
        _pil("qwen2_vl", "Qwen2VLImageProcessorPil", **settings),
        _tokenizer("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"),
        chat_template=_template("<|vision_start|><|image_pad|><|vision_end|>"),
    )


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
    llava_next,
    llava_onevision,
    internvl,
    idefics3,
    qwen2_5_vl,
    qwen3_vl,
)


def with_model(make: Callable[[], Any]) -> tuple[Any, Any]:
    """A processor, and the tiny model of its family with a vocabulary that is large enough."""
    with images_only():
        processor = make()
    tokens = tiny_families.TEXT | {"vocab_size": len(processor.tokenizer)}
    image = processor.image_token_id
    kept = (tiny_families.TEXT, tiny_families.IMAGE, tiny_families.QWEN_IDS)
    ids = tiny_families.QWEN_IDS | {"image_token_id": image, "video_token_id": image + 1}
    tiny_families.TEXT, tiny_families.IMAGE, tiny_families.QWEN_IDS = tokens, image, ids
    try:
        vlm, _ = tiny_families.fresh(getattr(tiny_families, make.__name__))
    finally:
        tiny_families.TEXT, tiny_families.IMAGE, tiny_families.QWEN_IDS = kept
    return vlm.model, processor
