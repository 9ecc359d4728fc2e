"""What is estimated of a run, held against what the run does."""

from pathlib import Path

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from groundtune.engine.packed import Packed
from groundtune.engine.rows import PromptRow
from groundtune.train.estimate import Sizes, Work, flop, memory, sizes_of
from groundtune.train.tune import Full, Lora, apply
from groundtune.vlm.encoded import EncodedAnswer, EncodedPrompt
from groundtune.vlm.load import Vlm, load

IMAGE, PROMPT, ANSWER, VOCABULARY, WIDTH = 64, 80, 60, 500, 96
TOKENS = PROMPT + 2 * ANSWER


def llava() -> LlavaForConditionalGeneration:
    """Four layers of 96, with 64 tokens an image."""
    text = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
    )
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=4,
    )
    return LlavaForConditionalGeneration(
        LlavaConfig(
            text_config=text,
            vision_config=vision,
            image_token_index=5,
            vision_feature_layer=-1,
            image_seq_length=IMAGE,
        )
    )


def row() -> PromptRow:
    ids = (1, *[5] * IMAGE, *range(10, 10 + PROMPT - IMAGE - 1))
    prompt = EncodedPrompt(ids=ids, features={"pixel_values": torch.randn(1, 3, 32, 32)}, marks={})
    answers = [
        EncodedAnswer(ids=tuple(range(start, start + ANSWER)), offsets=((0, 0),) * ANSWER)
        for start in (100, 200)
    ]
    return PromptRow(prompt, tuple(answers))


def work() -> Work:
    attended = PROMPT**2 // 2 + 2 * ANSWER * (PROMPT + ANSWER // 2)
    return Work(TOKENS, 2 * ANSWER, attended, IMAGE)


@pytest.fixture(scope="module")
def processor(tiny_llava: Path) -> object:
    return load(str(tiny_llava)).processor


def vlm_of(model: torch.nn.Module, processor: object) -> Vlm:
    return Vlm(
        model=model, processor=processor, name="llava", revision="", device=torch.device("cpu")
    )


@pytest.mark.parametrize(
    ("tune", "tolerance"),
    # nothing before the first layer's adapters needs a gradient: of four layers a part of one
    [(Full(), 0.15), (Lora(r=4), 0.25)],
)
def test_arithmetic_is_what_a_step_does(tune: Full | Lora, tolerance: float, processor: object):
    model = apply(llava(), tune)
    sizes = sizes_of(model, adapted=isinstance(tune, Lora))
    with FlopCounterMode(display=False) as counter:
        logp = Packed()(vlm_of(model, processor), [row()])
        forward = counter.get_total_flops()
        torch.stack([each.sum() for each in logp[0]]).sum().backward()
    assert flop(sizes, work(), training=False) == pytest.approx(forward, rel=0.15)
    assert flop(sizes, work(), training=True) == pytest.approx(
        counter.get_total_flops(), rel=tolerance
    )


@pytest.mark.parametrize(
    ("tune", "bf16"),
    [
        (Full(), False),
        (Full(), True),
        (Lora(r=16), False),
        (Lora(r=16, dropout=0), False),
        (Lora(r=16), True),
        (Lora(r=16, dropout=0), True),
    ],
)
def test_memory_is_what_the_forward_pass_keeps(tune: Full | Lora, bf16: bool, processor: object):
    adapted = isinstance(tune, Lora)
    dtype = torch.bfloat16 if bf16 and adapted else torch.float32
    model = apply(llava().to(dtype=dtype), tune).train()
    sizes = sizes_of(model, adapted=adapted)
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    arithmetic = torch.autocast("cpu", torch.bfloat16, enabled=bf16)
    with saved_tensors_hooks(keep, lambda tensor: tensor), arithmetic:
        Packed()(vlm_of(model, processor), [row()])
    held = sum(p.nbytes for p in model.parameters()) + sizes.trained * 12
    estimated = memory(
        sizes,
        tokens=TOKENS,
        answer_tokens=2 * ANSWER,
        weight_bytes=dtype.itemsize,
        compute_bytes=2 if bf16 else 4,
        mask_bytes=4,
        checkpointing=False,
        chunk_bytes=1 << 30,
    )
    assert estimated - held == pytest.approx(sum(kept.values()), rel=0.1)


def test_the_sizes_of_a_model_are_those_of_its_config():
    sizes = sizes_of(apply(llava(), Full(parts=("language_model",))), adapted=False)
    layer = 4 * WIDTH * WIDTH + 3 * WIDTH * 256
    assert (sizes.decoder, sizes.layers, sizes.inner) == (4 * layer, 4, 256)
    assert sizes.trained == 4 * layer + 9 * WIDTH + 2 * VOCABULARY * WIDTH
    assert not sizes.tower_trained
    assert (sizes.inputs, sizes.ranks, sizes.dropout) == (4 * (6 * WIDTH + 256), 0, False)


def test_an_adapted_layer_keeps_its_own_input_and_its_rank():
    sizes = sizes_of(apply(llava(), Lora(r=4)), adapted=True)
    assert (sizes.inputs, sizes.ranks, sizes.dropout) == (4 * (6 * WIDTH + 256), 4 * 7 * 4, True)
    assert not sizes_of(apply(llava(), Lora(r=4, dropout=0)), adapted=True).dropout


@pytest.mark.parametrize("compute_bytes", [2, 4])
def test_checkpointing_keeps_less_and_does_more(compute_bytes: int):
    sizes = Sizes(
        decoder=1_000_000,
        tower=0,
        width=256,
        inner=1024,
        layers=8,
        vocabulary=1000,
        weights=1_000_000,
        trained=0,
        adapted=True,
        inputs=8 * (6 * 256 + 1024),
        ranks=8 * 7 * 64,
        dropout=True,
        tower_trained=False,
    )
    more = {"tokens": 1000, "answer_tokens": 10, "weight_bytes": 4, "chunk_bytes": 1 << 30}
    more |= {"compute_bytes": compute_bytes, "mask_bytes": 4}
    kept = [memory(sizes, **more, checkpointing=again) for again in (False, True)]
    assert kept[1] < kept[0] / 3
    done = [flop(sizes, work(), training=True, checkpointing=again) for again in (False, True)]
    assert done[0] < done[1] < 1.6 * done[0]
