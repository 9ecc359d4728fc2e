"""Models of random weights with processors, and pairs of exactly so many tokens, for both sides.

Weights have unit gain: at their default initialisation every token would be about equally likely,
and two computations would agree whatever they computed.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import torch
import transformers as hf
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from train_cases import GPU_SIZES, PROMPT_TOKENS, SIZES, VOCABULARY, Case, Size
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from groundtune.records import ImagePart, Message, Pair, Prompt, TextPart
from groundtune.vlm.images_only import images_only

TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}USER: {% endif %}"
    "{% if message['role'] == 'assistant' %}ASSISTANT: {% endif %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE {% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}"
    "{% if message['role'] == 'assistant' %} </s>{% else %} {% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
QWEN_IMAGE = "<|image_pad|>"
HEAD = 128
"""Features of a head of attention, of the models that need a GPU; the others have 64."""


@dataclass(frozen=True, slots=True)
class Family:
    """How a model looks at images."""

    pixels: tuple[int, int]
    """Width and height of an image."""
    around: int
    """Tokens of the template: roles, and for Qwen where an image begins and ends."""
    vision: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a side runs, in which type its weights are, and whether it computes in bfloat16."""

    device: str = "cpu"
    dtype: str = "float32"
    bf16: bool = False

    def wait(self) -> None:
        """Until the device has done what it was told to."""
        if self.device == "cuda":
            torch.cuda.synchronize()


CPU = Place()

_CLIP = {
    "model_type": "clip_vision_model",
    "image_size": 336,
    "patch_size": 14,
}
_QWEN = {"spatial_merge_size": 2, "temporal_patch_size": 2}
FAMILIES = {
    "llava": Family(
        (336, 336),
        2,
        {
            **_CLIP,
            "hidden_size": 128,
            "intermediate_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
        },
    ),
    "qwen": Family(
        (1120, 840),
        4,
        {
            **_QWEN,
            "depth": 4,
            "hidden_size": 64,
            "num_heads": 4,
            "intermediate_size": 192,
            "patch_size": 14,
            "window_size": 112,
            "fullatt_block_indexes": [3],
        },
    ),
    "llava-7b": Family(
        (336, 336),
        2,
        {
            **_CLIP,
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
        },
    ),
    "qwen3-vl-4b": Family(
        (1280, 960),
        4,
        {
            **_QWEN,
            "depth": 24,
            "hidden_size": 1024,
            "num_heads": 16,
            "intermediate_size": 4096,
            "patch_size": 16,
            "num_position_embeddings": 2304,
            "deepstack_visual_indexes": [5, 11, 17],
        },
    ),
}


def build(model: str, folder: Path, place: Place = CPU) -> None:
    """Saves model and processor."""
    torch.manual_seed(0)
    makers = {"llava": _llava, "qwen": _qwen, "llava-7b": _llava, "qwen3-vl-4b": _qwen3}
    dtype = getattr(torch, place.dtype)
    with torch.device(place.device):
        made = makers[model](model)
    made = made._replace(model=made.model.to(dtype))
    with torch.no_grad():
        for name, weight in made.model.named_parameters():
            if weight.ndim >= 2:
                gain = 1.0 if "embed" in name else weight[0].numel() ** -0.5
                weight.normal_(0, gain)
    made.model.generation_config = hf.GenerationConfig(
        pad_token_id=0, bos_token_id=1, eos_token_id=2
    )
    made.model.save_pretrained(folder)
    made.processor.save_pretrained(folder)


class _Made(NamedTuple):
    model: Any
    processor: Any


def _text(size: Size, head: int) -> dict[str, Any]:
    """The decoder's settings."""
    return {
        "vocab_size": size.vocabulary,
        "hidden_size": size.hidden,
        "intermediate_size": size.inner,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.queries // head,
        "num_key_value_heads": size.keys // head,
        "head_dim": head,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": False,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }


def _llava(model: str) -> _Made:
    text = _text(SIZES[model], 64) if model in SIZES else _text(GPU_SIZES[model], HEAD)
    config = hf.LlavaConfig(
        text_config={**text, "model_type": "llama"},
        vision_config=FAMILIES[model].vision,
        image_token_id=3,
        vision_feature_layer=-1,
        tie_word_embeddings=False,
    )
    processor = hf.LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}),
        _tokenizer("<image>"),
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE.replace("IMAGE", "<image>"),
    )
    return _Made(hf.LlavaForConditionalGeneration(config), processor)


def _qwen(model: str) -> _Made:
    size = SIZES[model]
    rope = {"rope_type": "default", "mrope_section": [8, 12, 12], "rope_theta": 1e6}
    config = hf.Qwen2_5_VLConfig(
        text_config={**_text(size, 64), "rope_parameters": rope},
        vision_config={**FAMILIES[model].vision, "out_hidden_size": size.hidden},
        **QWEN_TOKENS,
    )
    return _Made(
        hf.Qwen2_5_VLForConditionalGeneration(config), _qwen_processor(hf.Qwen2_5_VLProcessor, 14)
    )


def _qwen3(model: str) -> _Made:
    size = GPU_SIZES[model]
    rope = {"rope_type": "default", "mrope_section": [24, 20, 20], "rope_theta": 5e6}
    config = hf.Qwen3VLConfig(
        text_config={**_text(size, HEAD), "rope_parameters": rope},
        vision_config={**FAMILIES[model].vision, "out_hidden_size": size.hidden},
        **QWEN_TOKENS,
    )
    return _Made(
        hf.Qwen3VLForConditionalGeneration(config), _qwen_processor(hf.Qwen3VLProcessor, 16)
    )


QWEN_TOKENS: dict[str, Any] = {
    "image_token_id": 3,
    "video_token_id": 4,
    "vision_start_token_id": 5,
    "vision_end_token_id": 6,
    "tie_word_embeddings": False,
}


def _qwen_processor(make: Any, patch: int) -> Any:
    start, end = "<|vision_start|>", "<|vision_end|>"
    with images_only():
        return make(
            Qwen2VLImageProcessorPil(patch_size=patch, min_pixels=56 * 56, max_pixels=1280 * 1280),
            _tokenizer(QWEN_IMAGE, "<|video_pad|>", start, end),
            chat_template=TEMPLATE.replace("IMAGE", f"{start} {QWEN_IMAGE} {end}"),
        )


def _tokenizer(*special: str) -> Any:
    """A token a word: those for padding, start and end first, then the special ones."""
    words = ["<pad>", "<s>", "</s>", *special, "<unk>", "USER:", "ASSISTANT:"]
    words += [f"w{number}" for number in range(VOCABULARY - len(words))]
    raw = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=list(special),
    )


class Asked(NamedTuple):
    """The prompt of a step, its image, and the distinct answers to it."""

    image: Image.Image
    question: str
    answers: tuple[str, ...]


def asked(case: Case, number: int) -> Asked:
    """What step `number` is about: random words of the wanted numbers, and a smooth image."""
    drawn = random.Random(f"{case.model}/{number}")

    def words(count: int) -> str:
        return " ".join(f"w{drawn.randrange(VOCABULARY - 100)}" for _ in range(count))

    small = Image.frombytes("RGB", (6, 6), drawn.randbytes(6 * 6 * 3))
    return Asked(
        image=small.resize(FAMILIES[case.model].pixels, Image.Resampling.BICUBIC),
        question=words(PROMPT_TOKENS - FAMILIES[case.model].around),
        answers=tuple(words(case.tokens - 1) for _ in range(case.answers)),
    )


class Images:
    """Images by their names, which stand for sha256 sums here."""

    def __init__(self, images: Mapping[str, Image.Image]) -> None:
        self._images = images

    def open(self, sha256: str) -> Image.Image:
        """The image of that name."""
        return self._images[sha256]


def prompt_of(number: int, what: Asked) -> Prompt:
    """A step's prompt as a record."""
    content = (ImagePart(image=f"image-{number}"), TextPart(text=what.question))
    return Prompt(key=f"prompt-{number}", messages=(Message(role="user", content=content),))


def pairs_of(case: Case, number: int, what: Asked) -> list[Pair]:
    """A step's pairs as records."""
    return [
        Pair(
            key=f"pair-{number}-{index}",
            prompt=f"prompt-{number}",
            chosen=what.answers[chosen],
            rejected=what.answers[rejected],
            origin="dataset",
        )
        for index, (chosen, rejected) in enumerate(case.pairs)
    ]


def rows_of(case: Case, what: Asked) -> list[dict[str, Any]]:
    """A step's pairs as rows of the baseline's data set."""
    return [
        {
            "images": [what.image],
            "prompt": [{"role": "user", "content": what.question}],
            "chosen": [{"role": "assistant", "content": what.answers[chosen]}],
            "rejected": [{"role": "assistant", "content": what.answers[rejected]}],
        }
        for chosen, rejected in case.pairs
    ]


def same_adapters(model: Any) -> None:
    """Gives a LoRA's first matrices values that depend on their names alone."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_A" in name:
                generator = torch.Generator().manual_seed(crc32(name.encode()))
                drawn = torch.empty(weight.shape)
                drawn.normal_(0, weight.shape[1] ** -0.5, generator=generator)
                weight.copy_(drawn)
