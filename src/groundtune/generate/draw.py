"""Samples the next token of each row of a batch from the row's own random stream.

A draw inverts the row's cumulative distribution at a uniform number that depends on the row's seed
and the step alone. So it is exact, and does not depend on the batch that the row is in.

Shapes: B rows, V vocabulary, T steps.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from groundtune.records import Sampling

if TYPE_CHECKING:
    from torch import Tensor


def uniforms(seeds: Sequence[int], steps: int) -> "Tensor":
    """Return numbers in [0, 1), float64, shape (B, T): row i is the Philox stream of seeds[i]."""
    import numpy as np
    import torch

    rows = [np.random.Generator(np.random.Philox(seed)).random(steps) for seed in seeds]
    return torch.from_numpy(np.stack(rows))  # pyright: ignore[reportUnknownMemberType]


def draw(logits_BV: "Tensor", uniform_B: "Tensor", sampling: Sampling) -> "Tensor":
    """Return the next token of each row, shape (B,), on the logits' device.

    Temperature comes first, then top-k, then top-p of what is left; temperature 0 takes the most
    likely.
    """
    import torch

    if sampling.temperature == 0:
        return logits_BV.argmax(-1)
    scores_BV = logits_BV.float() / sampling.temperature
    if 0 < sampling.top_k < scores_BV.shape[-1]:
        least_B1 = scores_BV.topk(sampling.top_k).values[:, -1:]
        scores_BV = scores_BV.masked_fill(scores_BV < least_B1, float("-inf"))
    probs_BV = scores_BV.softmax(-1)
    if sampling.top_p < 1:
        probs_BV = _nucleus(probs_BV, sampling.top_p)
    if probs_BV.device.type == "mps":
        probs_BV = probs_BV.cpu()  # it has no float64, and float32 sums lose rare tokens
    cumulative_BV = probs_BV.double().cumsum(-1)
    target_B1 = uniform_B.to(cumulative_BV.device)[:, None] * cumulative_BV[:, -1:]
    tokens_B1 = torch.searchsorted(cumulative_BV, target_B1, right=True)
    return tokens_B1[:, 0].clamp(max=probs_BV.shape[-1] - 1).to(logits_BV.device)


def _nucleus(probs_BV: "Tensor", top_p: float) -> "Tensor":
    """Keep the fewest most likely tokens whose mass reaches top_p; set the others to 0."""
    sorted_BV, order_BV = probs_BV.sort(dim=-1, descending=True, stable=True)
    before_BV = sorted_BV.cumsum(-1) - sorted_BV
    return probs_BV.scatter(-1, order_BV, sorted_BV.masked_fill(before_BV >= top_p, 0))
