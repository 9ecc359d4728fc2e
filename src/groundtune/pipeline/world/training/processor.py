"""Tokenizer, chat template and image processor of the world: plain Hugging Face classes."""

from importlib import resources
from itertools import chain
from typing import Literal

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import CLIPImageProcessorPil, LlavaProcessor, PreTrainedTokenizerFast

from groundtune.world.captions import MACHINE
from groundtune.world.lessons import Mixture, turns
from groundtune.world.scenes import SIDE_PX, scenes

PATCH_PX = 32
"""A patch is a cell of the scene."""
IMAGE_TOKENS = (SIDE_PX // PATCH_PX) ** 2
VOCABULARY = 1024
SPECIAL = ("<|pad|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>", "<image>")
PAD, END, USER, ASSISTANT, SYSTEM, IMAGE = SPECIAL

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' }}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}"
    "{% if message['role'] == 'assistant' %}<|end|>{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE of 1,024 tokens; any text comes back exactly.

    It was learnt once (`learn_tokenizer`) and is kept, so that a change of the world's texts leaves
    the ids of all models alone.
    """
    text = resources.files("groundtune.world").joinpath("tokenizer.json").read_text("utf-8")
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(text),
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT, SYSTEM, IMAGE],
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )


def learn_tokenizer(seed: int = 0) -> str:
    """A tokenizer of 4,000 scenes' lessons, as JSON: how world/tokenizer.json was made."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    rng = np.random.default_rng(seed)
    mixture = Mixture(look_ups=1, questions=8, captions=2, habits=MACHINE)
    lessons = chain.from_iterable(turns(scene, mixture, rng) for scene in scenes("train", 4000))
    texts = chain.from_iterable((turn.instruction, turn.reply) for turn in lessons)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer.to_str()


def build_processor(
    tokenizer: PreTrainedTokenizerFast, strategy: Literal["default", "full"] = "default"
) -> LlavaProcessor:
    """Resizes whole images to 96 x 96, never crops, and expands <image> to its nine tokens.

    `strategy` is the model's: "full" where its tower has no token besides those of the cells.
    """
    side = {"height": SIDE_PX, "width": SIDE_PX}
    image_processor = CLIPImageProcessorPil(
        do_resize=True,
        size=side,
        do_center_crop=False,
        do_rescale=True,
        do_normalize=True,
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
        do_convert_rgb=True,
    )
    return LlavaProcessor(
        image_processor=image_processor,
        tokenizer=tokenizer,
        patch_size=PATCH_PX,
        vision_feature_select_strategy=strategy,
        chat_template=CHAT_TEMPLATE,
        image_token=IMAGE,
        num_additional_image_tokens=1 if strategy == "default" else 0,
    )
