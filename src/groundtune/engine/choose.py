"""Choose the fastest attention for given rows by measuring it on the model.

The packed engine's kinds of attention give equal results to rounding, so the choice affects only
time. A resumed run reuses its stored choice, because the kinds round differently.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from groundtune.engine.attention import Attention
from groundtune.engine.layout import lay_out, merge
from groundtune.engine.masks import only_dense
from groundtune.engine.packed import Packed
from groundtune.engine.rows import PromptRow
from groundtune.vlm.family import family_of
from groundtune.vlm.load import Vlm
from groundtune.vlm.plain import is_unsharded, plain_model


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionChoice:
    """The choice, its reason and its measurements, for run.json."""

    attention: Attention
    why: str
    seconds: dict[str, float]
    """Best time of a forward and backward pass of the rows for each kind; empty if not measured."""
    shape: tuple[int, ...]
    """Tokens of each measured row."""


def choose_attention(vlm: Vlm, rows: Sequence[PromptRow], *, repeats: int = 3) -> AttentionChoice:
    """Return the fastest attention for rows of these lengths, such as those of one forward pass.

    Each kind runs the rows forward, and backward if weights are trained, `repeats` times after a
    warm-up. Weights, gradients and random state do not change; the caller's autocast applies. If
    only one kind is possible, or if the model is sharded (its processes must agree), the choice is
    dense without measuring.
    """
    model = plain_model(vlm.model)
    shape = tuple(row.tokens for row in merge(rows))
    layout = lay_out(merge(rows), vlm.pad_id)
    if why := only_dense(model, family_of(model), layout):
        return AttentionChoice(attention="dense", why=why, seconds={}, shape=shape)
    if not is_unsharded(vlm.model):
        why = "the model is sharded"
        return AttentionChoice(attention="dense", why=why, seconds={}, shape=shape)
    kinds: list[Attention] = ["dense", "segments"]
    if vlm.device.type == "cuda":
        kinds.append("flex")
    times: dict[Attention, list[float]] = {kind: [] for kind in kinds}
    devices = [vlm.device] if vlm.device.type == "cuda" else []
    with cast(Any, torch.random).fork_rng(devices):
        for _ in range(repeats + 1):
            for kind in kinds:
                times[kind].append(_time(vlm, Packed(attention=kind), rows))
    seconds = {kind: min(each[1:]) for kind, each in times.items()}
    return AttentionChoice(
        attention=min(kinds, key=lambda kind: seconds[kind]),
        why="it was the fastest",
        seconds={kind: round(each, 6) for kind, each in seconds.items()},
        shape=shape,
    )


def _time(vlm: Vlm, engine: Packed, rows: Sequence[PromptRow]) -> float:
    _wait(vlm)
    started = time.perf_counter()
    trained: list[Tensor] = [each for each in vlm.model.parameters() if each.requires_grad]
    with torch.set_grad_enabled(bool(trained)):
        total = torch.stack([logp.sum() for answers in engine(vlm, rows) for logp in answers]).sum()
    if trained:
        torch.autograd.grad(total, trained, allow_unused=True)
    _wait(vlm)
    return time.perf_counter() - started


def _wait(vlm: Vlm) -> None:
    if vlm.device.type == "cuda":
        torch.cuda.synchronize(vlm.device)
