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

KEPT_WIDTHS = 10
KEPT_INNER = 4
"""What a decoder layer keeps of a token for its backward pass, in hidden widths and in widths of
its inner layer: inputs of its matrices and norms, queries, keys and values, the gate's two sides,
its product and activation."""


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
    decoder = {id(p) for p in plain.get_decoder().parameters() if p.ndim == 2}
    apart = (plain.get_input_embeddings(), plain.get_output_embeddings())
    ends = {id(p) for module in apart for p in module.parameters()}
    named = list(model.parameters())
    own = [p for p in plain.get_decoder().parameters() if id(p) in decoder - ends]
    inside = {id(p) for p in plain.get_decoder().parameters()} | ends
    others = [p for p in named if id(p) not in inside]
    return Sizes(
        decoder=sum(p.numel() for p in own),
        tower=sum(p.numel() for p in others if p.ndim >= 2),
        width=text.hidden_size,
        inner=int(getattr(text, "intermediate_size", 0) or 4 * text.hidden_size),
        layers=text.num_hidden_layers,
        vocabulary=text.vocab_size,
        weights=sum(p.numel() for p in named),
        trained=sum(p.numel() for p in named if p.requires_grad),
        adapted=adapted,
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
    checkpointing: bool,
    chunk_bytes: int,
) -> int:
    """Most bytes that are held at once, for a forward pass of so many tokens."""
    held = sizes.weights * weight_bytes + sizes.trained * (4 + 8)  # gradient, Adam's two moments
    layer = tokens * (KEPT_WIDTHS * sizes.width + KEPT_INNER * sizes.inner) * compute_bytes
    kept = layer * (1 if checkpointing else sizes.layers)
    kept += tokens * sizes.width * compute_bytes * (sizes.layers if checkpointing else 1)
    logits = min(4 * answer_tokens * sizes.vocabulary, chunk_bytes)
    return held + kept + 3 * logits  # logits, their softmax, its gradient


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
