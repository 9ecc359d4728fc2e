"""Compute log-probabilities of tokens from hidden states without storing all logits.

An answer's logits are large: 300 tokens with a vocabulary of 152,000 take 182 MB in fp32, and their
gradient as much again. If they would take more than CHUNK_BYTES, they are computed in chunks, and
recomputed in the backward pass.

Shapes: N positions, D hidden width, V vocabulary.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils import checkpoint

from groundtune.engine.logprobs import token_logp

CHUNK_BYTES = 128 * 1024**2
"""Maximum size of fp32 logits in memory at once."""


def project(
    head: Callable[[Tensor], Tensor],
    hidden_ND: Tensor,
    ids_N: Tensor,
    vocabulary: int,
    *,
    chunk_bytes: int = CHUNK_BYTES,
) -> Tensor:
    """Return log p of each id under the head's logits at its position, fp32, shape (N,)."""
    size = max(1, chunk_bytes // (4 * vocabulary))
    if len(ids_N) <= size:
        return token_logp(head(hidden_ND), ids_N)

    def part(hidden: Tensor, ids: Tensor) -> Tensor:
        return token_logp(head(hidden), ids)

    recompute = cast(Any, checkpoint).checkpoint
    chunks = zip(torch.split(hidden_ND, size), torch.split(ids_N, size), strict=True)
    return torch.cat([recompute(part, hidden, ids, use_reentrant=False) for hidden, ids in chunks])
