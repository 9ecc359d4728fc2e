"""Another family: Qwen2-VL, which keeps positions of three axes in itself from step to step."""

import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLProcessor,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from groundtune.generate.hf import HfGenerator
from groundtune.records import ImagePart, Message, Prompt, Sampling, TextPart
from groundtune.vlm.encode import encode_answer, encode_prompt
from groundtune.vlm.load import Vlm
from tiny_llava import SENTENCES

SPECIAL = {
    "end": "<|endoftext|>",
    "im_start": "<|im_start|>",
    "im_end": "<|im_end|>",
    "vision_start": "<|vision_start|>",
    "vision_end": "<|vision_end|>",
    "image": "<|image_pad|>",
    "video": "<|video_pad|>",
}
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for p in m['content'] %}"
    "{% if p['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ p['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class Images:
    def open(self, sha256: str) -> Image.Image:
        return Image.new("RGB", (30, 20 + 8 * int(sha256)), (40 * int(sha256), 90, 0))


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(SPECIAL.values()),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    raw.train_from_iterator(SENTENCES * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token=SPECIAL["im_end"],
        pad_token=SPECIAL["end"],
        padding_side="left",
    )


def tiny_processor(tokenizer: PreTrainedTokenizerFast) -> Qwen2VLProcessor:
    """Without the video processor, which alone of all needs torchvision."""
    processor = object.__new__(Qwen2VLProcessor)
    processor.image_processor = Qwen2VLImageProcessorPil(
        patch_size=4, min_pixels=64, max_pixels=1024
    )
    processor.tokenizer, processor.video_processor = tokenizer, None
    processor.chat_template = TEMPLATE
    for kind in ("image", "video"):
        token_id = tokenizer.convert_tokens_to_ids(SPECIAL[kind])
        setattr(processor, f"{kind}_token", SPECIAL[kind])
        setattr(processor, f"{kind}_token_id", token_id)
        setattr(processor, f"{kind}_ids", [token_id])
    processor.audio_ids = []
    return processor


@pytest.fixture(scope="module")
def qwen() -> Vlm:
    tokenizer = tiny_tokenizer()
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in SPECIAL.items()}
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "initializer_range": 0.15,
            "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},
            "bos_token_id": None,
            "eos_token_id": ids["im_end"],
            "pad_token_id": ids["end"],
        },
        vision_config={
            "depth": 2,
            "embed_dim": 32,
            "hidden_size": 64,
            "num_heads": 2,
            "patch_size": 4,
            "mlp_ratio": 2,
        },
        image_token_id=ids["image"],
        video_token_id=ids["video"],
        vision_start_token_id=ids["vision_start"],
        vision_end_token_id=ids["vision_end"],
    )
    state = torch.get_rng_state()
    torch.manual_seed(0)
    model = Qwen2VLForConditionalGeneration(config).eval()
    torch.set_rng_state(state)
    model.generation_config = GenerationConfig(
        eos_token_id=[ids["im_end"], ids["end"]], pad_token_id=ids["end"]
    )
    return Vlm(
        model=model,
        processor=tiny_processor(tokenizer),
        name="qwen",
        revision="random",
        device=torch.device("cpu"),
    )


PROMPTS = [
    Prompt(
        key=f"{i}{text}",
        messages=(Message(role="user", content=(ImagePart(image=str(i)), TextPart(text=text))),),
    )
    for i, text in enumerate(["What?", "Is there a dog in the image?", "How many cups?"])
]


def test_its_prompts_have_marks_for_each_token_and_images_of_any_size(qwen: Vlm):
    small, large = (encode_prompt(qwen, PROMPTS[i], Images()) for i in (0, 2))
    assert set(small.marks) == {"mm_token_type_ids"}
    assert small.marks["mm_token_type_ids"].shape == (len(small.ids),)
    assert small.features["pixel_values"].shape[0] != large.features["pixel_values"].shape[0]
    assert not qwen.shares_prefill


def test_its_answers_end_as_its_template_ends_them(qwen: Vlm):
    answer = encode_answer(qwen, "Yes, there is.")
    assert (qwen.form.lead, answer.ids[-1]) == ("", qwen.processor.tokenizer.eos_token_id)
    assert qwen.processor.tokenizer.decode(answer.ids) == "Yes, there is.<|im_end|>"


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_its_draws_do_not_depend_on_the_batch(qwen: Vlm, temperature: float):
    sampling = Sampling(temperature=temperature, max_new_tokens=8)
    together = HfGenerator(qwen, Images(), 3).generate(PROMPTS, sampling, [1, 2, 3])
    assert HfGenerator(qwen, Images(), 1).generate(PROMPTS, sampling, [1, 2, 3]) == together
    assert len({reply.text for reply in together}) == 3


def test_its_probabilities_of_yes_and_no_do_not_depend_on_the_batch(qwen: Vlm):
    together = HfGenerator(qwen, Images(), 3).yes_no(PROMPTS)
    alone = HfGenerator(qwen, Images(), 1).yes_no(PROMPTS)
    assert together == [pytest.approx(reply, rel=1e-4) for reply in alone]


def test_the_models_own_defaults_of_decoding_do_not_leak_in(qwen: Vlm):
    sampling = Sampling(temperature=1, max_new_tokens=12)
    plain = HfGenerator(qwen, Images(), 3).generate(PROMPTS, sampling, [1, 2, 3])
    own = qwen.model.generation_config
    qwen.model.generation_config = GenerationConfig(
        **{**own.to_dict(), "repetition_penalty": 50.0, "do_sample": True, "top_k": 1}
    )
    try:
        assert HfGenerator(qwen, Images(), 3).generate(PROMPTS, sampling, [1, 2, 3]) == plain
    finally:
        qwen.model.generation_config = own


def test_questions_behind_one_image_are_answered_as_alone(qwen: Vlm):
    texts = ("Is there a dog?", "How many cups?", "Is there a red ball?", "What?", "Is there?")
    asked = [
        Prompt(
            key=text,
            messages=(Message(role="user", content=(ImagePart(image="2"), TextPart(text=text))),),
        )
        for text in texts
    ]
    together = HfGenerator(qwen, Images()).yes_no(asked)
    for prompt, reply in zip(asked, together, strict=True):
        assert reply == pytest.approx(HfGenerator(qwen, Images()).yes_no([prompt])[0], rel=1e-4)
    assert len({reply.p_yes for reply in together}) == len(asked)
