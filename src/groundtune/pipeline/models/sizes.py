"""Sizes of models that recipes name, from their published configurations.

`groundtune plan` needs no download for these. Sizes of every other model are read from its
config.json, on this machine or in the hub's cache.
"""

from typing import NamedTuple

from groundtune.train.estimate import Sizes


class ModelSize(NamedTuple):
    """The size of a model, in its published configuration."""

    weights: float
    """All weights."""
    tower: float
    """Weights of image encoder and projector."""
    layers: int
    width: int
    inner: int
    vocabulary: int
    image_tokens: int
    """Tokens of a typical photograph in the prompt."""
    tied: bool = False
    """Whether embeddings and head are the same weights."""


MODELS: dict[str, ModelSize] = {
    "llava-hf/llava-1.5-7b-hf": ModelSize(7.06e9, 0.33e9, 32, 4096, 11008, 32064, 576),
    "llava-hf/llava-1.5-13b-hf": ModelSize(13.35e9, 0.34e9, 40, 5120, 13824, 32064, 576),
    "llava-hf/llava-v1.6-34b-hf": ModelSize(34.75e9, 0.36e9, 60, 7168, 20480, 64064, 2880),
    "Salesforce/instructblip-vicuna-7b": ModelSize(7.91e9, 1.17e9, 32, 4096, 11008, 32001, 32),
    "Salesforce/instructblip-vicuna-13b": ModelSize(14.2e9, 1.17e9, 40, 5120, 13824, 32001, 32),
    "Qwen/Qwen3-VL-4B-Instruct": ModelSize(4.44e9, 0.42e9, 36, 2560, 9728, 151936, 600, True),
    "Qwen/Qwen3-VL-8B-Instruct": ModelSize(8.77e9, 0.58e9, 36, 4096, 12288, 151936, 600),
    "OpenGVLab/InternVL3_5-8B-HF": ModelSize(8.53e9, 0.34e9, 36, 4096, 12288, 151936, 1792),
    "HuggingFaceTB/SmolVLM2-2.2B-Instruct": ModelSize(2.25e9, 0.43e9, 24, 2048, 8192, 49280, 1088),
    "google/gemma-3-4b-it": ModelSize(4.3e9, 0.42e9, 34, 2560, 10240, 262208, 256, True),
    "google/gemma-4-E4B-it": ModelSize(8.0e9, 0.15e9, 42, 2560, 10240, 262144, 280, True),
    "llava-hf/llava-onevision-qwen2-7b-ov-hf": ModelSize(
        8.03e9, 0.43e9, 28, 3584, 18944, 152128, 3700
    ),
    "openbmb/MiniCPM-V-4.6": ModelSize(1.3e9, 0.45e9, 24, 1024, 3584, 248320, 256, True),
}
"""Weights are rounded. Tokens of an image are typical; they depend on its size in all but LLaVA-1.5
and InstructBLIP. Gemma 4's embeddings per layer are in its weights, and take no arithmetic."""

FREE_SHARE = 0.9
"""Share of an accelerator's memory that a run may take: libraries and fragments need the rest."""
LORA_PER_LAYER = 7
"""Matrices of a decoder layer with an adapter: queries, keys, values, output, gate, up, down."""


def sizes_of_known(size: ModelSize, *, full: bool, rank: int = 0, tower: bool = False) -> Sizes:
    """Return the sizes that the estimates take, for weights that are trained wholly or by a LoRA.

    Args:
        size: The model.
        full: Whether the decoder is trained wholly; else by adapters.
        rank: Rank of the adapters.
        tower: Whether the image encoder is trained too.
    """
    ends = size.vocabulary * size.width * (1 if size.tied else 2)
    # a layer's matrices, so that embeddings per layer don't count
    layer = 4 * size.width**2 + 3 * size.width * size.inner
    decoder = min(size.weights - size.tower - ends, size.layers * layer)
    lora = size.layers * rank * (LORA_PER_LAYER * size.width + 3 * size.inner + 4 * size.width)
    trained = (size.weights if tower else size.weights - size.tower) if full else lora
    inputs = size.layers * (6 * size.width + size.inner)
    return Sizes(
        decoder=int(decoder),
        tower=int(size.tower),
        width=size.width,
        inner=size.inner,
        layers=size.layers,
        vocabulary=size.vocabulary,
        weights=int(size.weights) + (0 if full else lora),
        trained=int(trained),
        adapted=not full,
        inputs=inputs,
        ranks=0 if full else size.layers * LORA_PER_LAYER * rank,
        dropout=not full,
        tower_trained=tower,
    )
