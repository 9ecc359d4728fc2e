"""Estimate the arithmetic, time and memory of a run before it starts.

Arithmetic counts the FLOP of matrices and attention only. A forward pass of t tokens through
matrices of w weights takes 2tw; the backward pass takes as much for the gradient of its input, and
as much again for the gradient of trained weights. Time is arithmetic divided by this machine's
rate, measured on matrices of the model's width, times EFFICIENCY. Memory is weights, gradients,
optimiser state, activations kept for the backward pass, and logits; it excludes the libraries.

A test compares the estimates with a real run, within a factor.
"""

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from groundtune.records import Record

if TYPE_CHECKING:
    import torch

EFFICIENCY = 0.6
"""Rate of a training step relative to its largest matrix products alone: norms, softmax, the
optimiser and memory traffic take the rest."""

NORMS = 2
"""Norms in a decoder layer: each keeps a token's hidden width in float32, and also the normed width
if its weight is trained."""

MEASURED_S = 0.3
"""Seconds for which this machine's rate is measured."""

KEPT_WIDTHS = 4
KEPT_INNER = 3
"""What else a decoder layer keeps per token for its backward pass, in hidden widths and in inner
widths, without the inputs of trained weights: queries, keys, values and attention's output; the
gate's two inputs and its activation."""


class Sizes(Record):
    """Sizes of a model and of its trained weights, for the estimates."""

    decoder: int
    """Weights in the decoder's matrices, without embeddings and head."""
    tower: int
    """Weights in the matrices of the image encoder and the projector."""
    width: int
    inner: int
    layers: int
    vocabulary: int
    weights: int
    trained: int
    adapted: bool
    """Whether low-rank adapters are trained instead of the matrices themselves."""
    inputs: int
    """Sum of the input widths of the decoder's trained or adapted matrices."""
    ranks: int
    """Sum of the ranks of the decoder's adapters."""
    dropout: bool
    """Whether adapters use dropout."""
    tower_trained: bool


class Work(NamedTuple):
    """The size of one pass over the pairs, each row once."""

    tokens: int
    """Tokens of all rows, prompts and images included."""
    answer_tokens: int
    """Positions whose logits are computed."""
    attended: int
    """Pairs of a token and one that it attends to."""
    images: int
    """Image tokens."""


def sizes_of(model: Any, *, adapted: bool) -> Sizes:
    """Return the sizes of a model prepared for training; it may be on the meta device."""
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    text = plain.config.get_text_config()
    decoder = plain.get_decoder()
    apart = (plain.get_input_embeddings(), plain.get_output_embeddings())
    ends = {id(p) for module in apart for p in module.parameters()}
    matrices = {n: p for n, p in decoder.named_parameters() if p.ndim == 2 and id(p) not in ends}
    second = {n for n in matrices if ".lora_B." in n}
    parameters = list(model.parameters())
    inside = {id(p) for p in decoder.parameters()} | ends
    others = [p for p in parameters if id(p) not in inside]
    return Sizes(
        decoder=sum(p.numel() for p in matrices.values()),
        tower=sum(p.numel() for p in others if p.ndim >= 2),
        width=text.hidden_size,
        inner=int(getattr(text, "intermediate_size", 0) or 4 * text.hidden_size),
        layers=text.num_hidden_layers,
        vocabulary=text.vocab_size,
        weights=sum(p.numel() for p in parameters),
        trained=sum(p.numel() for p in parameters if p.requires_grad),
        adapted=adapted,
        inputs=sum(p.shape[1] for n, p in matrices.items() if p.requires_grad and n not in second),
        ranks=sum(matrices[n].shape[1] for n in second),
        dropout=any(getattr(m, "p", 0) for n, m in decoder.named_modules() if ".lora_drop" in n),
        tower_trained=any(p.requires_grad for p in others),
    )


def flop(sizes: Sizes, work: Work, *, training: bool, checkpointing: bool = False) -> float:
    """Return the FLOP of one pass over the pairs, forward only or with the backward pass."""
    linear = 2.0 * sizes.decoder * work.tokens
    attention = 4.0 * sizes.layers * sizes.width * work.attended
    head = 2.0 * sizes.width * sizes.vocabulary * work.answer_tokens
    tower = 2.0 * sizes.tower * work.images
    if not training:
        return linear + attention + head + tower
    passes = 2 if sizes.adapted else 3
    again = (linear + attention) if checkpointing else 0.0
    decoder = linear * passes + attention * 3 + head * passes + again
    return decoder + tower * (3 if sizes.tower_trained else 1)


def memory(
    sizes: Sizes,
    *,
    tokens: int,
    answer_tokens: int,
    weight_bytes: int,
    compute_bytes: int,
    mask_bytes: int,
    checkpointing: bool,
    chunk_bytes: int,
) -> int:
    """Return the peak memory, in bytes, for forward passes of `tokens` tokens.

    `weight_bytes` is the size of a frozen weight; trained ones are float32. `mask_bytes` is the
    size of an entry of dropout's mask: 1 if PyTorch applies dropout in one kernel, as on CUDA,
    else 4.
    """
    weights = (sizes.weights - sizes.trained) * weight_bytes
    weights += sizes.trained * (4 + 4 + 8)  # with gradient and Adam's two moments
    if compute_bytes < 4:
        weights += sizes.trained * compute_bytes  # autocast's copies of a forward pass
    # checkpointing keeps the input of each layer, and the rest of one layer at a time
    full, starts = (1, sizes.layers) if checkpointing else (sizes.layers, 1)
    layer = _layer_bytes(sizes, compute_bytes, mask_bytes)
    activations = tokens * (full * layer + starts * sizes.width * weight_bytes)
    logits = min(4 * answer_tokens * sizes.vocabulary, chunk_bytes)
    return weights + activations + 3 * logits  # logits, their softmax, its gradient


def _layer_bytes(sizes: Sizes, compute_bytes: int, mask_bytes: int) -> int:
    """Return the bytes that a decoder layer keeps per token for its backward pass."""
    norms = NORMS * sizes.width * 4 * (1 if sizes.adapted else 2)
    layer = norms + (KEPT_WIDTHS * sizes.width + KEPT_INNER * sizes.inner) * compute_bytes
    inputs = copies = sizes.inputs // sizes.layers
    if compute_bytes == 4 and not sizes.dropout:
        # Queries, keys and values share one input, so do the gate's two halves, and attention keeps
        # its result anyway. With dropout or autocast, each matrix has a separate copy.
        inputs = min(copies, 2 * sizes.width + sizes.inner)
    masks = copies * mask_bytes if sizes.dropout else 0
    return layer + (inputs + sizes.ranks // sizes.layers) * compute_bytes + masks


def rate(device: "torch.device", dtype: "torch.dtype", rows: int, sizes: Sizes) -> float:
    """Measure briefly the FLOP per second of matrix products of the model's shape."""
    return measure(device, dtype, min(max(rows, 16), 4096), sizes.width, sizes.inner)


def measure(
    device: "torch.device", dtype: "torch.dtype", rows: int, width: int, inner: int
) -> float:
    """Measure briefly the FLOP per second of products of (rows, width) and (width, inner)."""
    import torch

    left = torch.randn(rows, width, device=device).to(dtype)
    right = torch.randn(width, inner, device=device).to(dtype)
    for _ in range(3):
        left @ right  # pyright: ignore[reportUnusedExpression]
    _finish(device)
    number, start = 0, time.perf_counter()
    while (seconds := time.perf_counter() - start) < MEASURED_S:
        left @ right  # pyright: ignore[reportUnusedExpression]
        _finish(device)
        number += 1
    return 2.0 * rows * width * inner * number / seconds


def _finish(device: "torch.device") -> None:
    """Wait until an accelerator has finished its work."""
    import torch

    if device.type != "cpu":
        torch.accelerator.synchronize(device)
