"""What a run will take, before it starts: arithmetic, time and memory, by counting.

Arithmetic is counted in multiplications with additions as two (FLOP), of matrices and attention
alone. A forward pass of t tokens through matrices of w weights takes 2tw; the backward pass as much
for the gradient of what came in, and as much again for that of the weights that are trained. Time
is arithmetic over the rate that this machine reached a moment ago on matrices of the model's width,
times EFFICIENCY. Memory is weights, gradients, the optimiser's state, what the forward pass keeps
for the backward, and the logits that are held at once; not the libraries themselves.

Estimates, not promises: a test holds them against a run, within a factor.
"""

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from groundtune.records import Record

if TYPE_CHECKING:
    import torch

EFFICIENCY = 0.6
"""Of a training step's rate to that of its largest products alone: norms, softmax, the optimiser
and moving memory take the rest."""

NORMS = 2
"""Of a decoder layer: each keeps a token's hidden width in float32, and, where its own weight is
trained, the normed width too."""

KEPT_WIDTHS = 4
KEPT_INNER = 3
"""What else a decoder layer keeps of a token for its backward pass, in hidden widths and in widths
of its inner layer, without the inputs of what is trained: queries, keys, values and what attention
makes of them; the gate's two sides and its activation."""


class Sizes(Record):
    """What the counting needs of a model and of what is trained of it."""

    decoder: int
    """Weights in the decoder's matrices, without embeddings and head."""
    tower: int
    """Weights of the image encoder and the projector."""
    width: int
    inner: int
    layers: int
    vocabulary: int
    weights: int
    trained: int
    adapted: bool
    """Whether low-rank adapters are trained, and not the matrices themselves."""
    inputs: int
    """Widths of what goes into the decoder's trained or adapted matrices, together."""
    ranks: int
    """Of the decoder's adapters, together."""
    dropout: bool
    """Whether adapters drop parts of their inputs."""
    tower_trained: bool


class Work(NamedTuple):
    """What one pass over the pairs runs, each row once."""

    tokens: int
    """Of all rows, prompts and images included."""
    answer_tokens: int
    """Positions whose logits are made."""
    attended: int
    """Pairs of a token and one that it sees."""
    images: int
    """Tokens of images."""


class Estimate(NamedTuple):
    """Of a whole run."""

    flop: float
    reference_flop: float
    memory_bytes: int


def sizes_of(model: Any, *, adapted: bool) -> Sizes:
    """The sizes of a model on which it is set already what is trained; it may be on "meta"."""
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    text = plain.config.get_text_config()
    decoder = plain.get_decoder()
    apart = (plain.get_input_embeddings(), plain.get_output_embeddings())
    ends = {id(p) for module in apart for p in module.parameters()}
    own = {n: p for n, p in decoder.named_parameters() if p.ndim == 2 and id(p) not in ends}
    second = {n for n in own if ".lora_B." in n}
    named = list(model.parameters())
    inside = {id(p) for p in decoder.parameters()} | ends
    others = [p for p in named if id(p) not in inside]
    return Sizes(
        decoder=sum(p.numel() for p in own.values()),
        tower=sum(p.numel() for p in others if p.ndim >= 2),
        width=text.hidden_size,
        inner=int(getattr(text, "intermediate_size", 0) or 4 * text.hidden_size),
        layers=text.num_hidden_layers,
        vocabulary=text.vocab_size,
        weights=sum(p.numel() for p in named),
        trained=sum(p.numel() for p in named if p.requires_grad),
        adapted=adapted,
        inputs=sum(p.shape[1] for n, p in own.items() if p.requires_grad and n not in second),
        ranks=sum(own[n].shape[1] for n in second),
        dropout=any(getattr(m, "p", 0) for n, m in decoder.named_modules() if ".lora_drop" in n),
        tower_trained=any(p.requires_grad for p in others),
    )


def flop(sizes: Sizes, work: Work, *, training: bool, checkpointing: bool = False) -> float:
    """Arithmetic of one pass over the pairs, forward alone or a training step's."""
    linear = 2.0 * sizes.decoder * work.tokens
    attention = 4.0 * sizes.layers * sizes.width * work.attended
    head = 2.0 * sizes.width * sizes.vocabulary * work.answer_tokens
    tower = 2.0 * sizes.tower * work.images
    if not training:
        return linear + attention + head + tower
    passes = 2 if sizes.adapted else 3
    again = (linear + attention) if checkpointing else 0.0
    whole = linear * passes + attention * 3 + head * passes + again
    return whole + tower * (3 if sizes.tower_trained else 1)


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
    """Most bytes that are held at once, for a forward pass of so many tokens.

    `weight_bytes` are those of a frozen weight; trained ones are float32. `mask_bytes` are those in
    which dropout notes whether it kept a number: 1 where PyTorch does it in one kernel, as on CUDA,
    and else 4.
    """
    held = (sizes.weights - sizes.trained) * weight_bytes
    held += sizes.trained * (4 + 4 + 8)  # with gradient and Adam's two moments
    if compute_bytes < 4:
        held += sizes.trained * compute_bytes  # autocast's copies of a forward pass
    # with checkpointing what goes into each layer is kept, and the rest of one layer at a time
    whole, starts = (1, sizes.layers) if checkpointing else (sizes.layers, 1)
    layer = _kept(sizes, compute_bytes, mask_bytes)
    kept = tokens * (whole * layer + starts * sizes.width * weight_bytes)
    logits = min(4 * answer_tokens * sizes.vocabulary, chunk_bytes)
    return held + kept + 3 * logits  # logits, their softmax, its gradient


def _kept(sizes: Sizes, compute_bytes: int, mask_bytes: int) -> int:
    """Bytes that a decoder layer keeps of a token for its backward pass."""
    norms = NORMS * sizes.width * 4 * (1 if sizes.adapted else 2)
    layer = norms + (KEPT_WIDTHS * sizes.width + KEPT_INNER * sizes.inner) * compute_bytes
    inputs = own = sizes.inputs // sizes.layers
    if compute_bytes == 4 and not sizes.dropout:
        # Queries, keys and values have one input, so have the gate's sides, and attention keeps its
        # result anyway. Dropout, or autocast's cast, makes each matrix a copy of its own.
        inputs = min(own, 2 * sizes.width + sizes.inner)
    masks = own * mask_bytes if sizes.dropout else 0
    return layer + (inputs + sizes.ranks // sizes.layers) * compute_bytes + masks


def rate(device: "torch.device", dtype: "torch.dtype", rows: int, sizes: Sizes) -> float:
    """FLOP a second of products of the model's shape on this machine, measured for a moment."""
    import torch

    shape = (min(max(rows, 16), 4096), sizes.width, sizes.inner)
    left = torch.randn(shape[0], shape[1], device=device).to(dtype)
    right = torch.randn(shape[1], shape[2], device=device).to(dtype)
    for _ in range(3):
        left @ right  # pyright: ignore[reportUnusedExpression]
    _finish(device)
    done, start = 0, time.perf_counter()
    while (seconds := time.perf_counter() - start) < 0.3:
        left @ right  # pyright: ignore[reportUnusedExpression]
        _finish(device)
        done += 1
    return 2.0 * shape[0] * shape[1] * shape[2] * done / seconds


def _finish(device: "torch.device") -> None:
    """Waits until what was asked of an accelerator is done."""
    import torch

    if device.type != "cpu":
        torch.accelerator.synchronize(device)
