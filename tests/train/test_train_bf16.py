"""How far bfloat16 is from float32, in packed rows and in separate ones: packing adds nothing.

`pytest -m bench -s tests/train/test_train_bf16.py` prints the table of docs/measured/training.md.
The exact computation is that of separate rows in float32, with the same weights. Models are random
with unit gain, which an image's or a token's rounding moves more than it moves a trained one.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# Reason: torch's annotations of backward, norm and manual_seed are partial.

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Literal, NamedTuple

import pytest
import torch
from torch import Tensor

from groundtune.engine import head as head_module
from groundtune.engine import packed as packed_module
from groundtune.engine.layout import PackedLayout, PackedRow, lay_out
from groundtune.engine.logprobs import TokenLogProbs
from groundtune.engine.packed import Packed
from groundtune.engine.rows import PromptRow
from groundtune.engine.separate import separate
from groundtune.vlm.load import Vlm
from tiny_families import ALONE, PACKED, Built, built

Held = Literal["bfloat16", "float32"]
HELD: tuple[Held, ...] = ("bfloat16", "float32")
"""What weights are held in: bfloat16 as under a LoRA, or float32 as where all are trained; matrices
are multiplied in bfloat16 (autocast) either way."""

DENSE: dict[str, TokenLogProbs] = {"dense": Packed()}
PACKINGS: dict[str, TokenLogProbs] = {**DENSE, "segments": Packed(attention="segments")}
SHOWN = ("tokens", "gradient", "loss")
SEEDS = 3
MORE = 1.15
"""Packed rows may be so many times as far from float32 as separate ones. Of all families' figures
the largest were 1.07 times for tokens and 1.04 times for the gradient."""
TOKENS, GRADIENT = 0.02, 0.04
"""Most that bfloat16 may move: tokens' log-probabilities (root of the mean square; at most 0.013
measured) and the gradient (relative; 0.027) of families whose rows are packed."""


class Away(NamedTuple):
    """How far a computation is from the exact one."""

    tokens: float
    """Root of the mean square of the differences of tokens' log-probabilities, nats."""
    largest: float
    """The largest of these differences."""
    loss: float
    """Relative."""
    gradient: float
    """Length of the difference over that of the exact gradient."""


class Computed(NamedTuple):
    logp: Tensor
    loss: float
    gradient: Tensor


def computed(
    vlm: Vlm, rows: Sequence[PromptRow], score: TokenLogProbs, *, autocast: bool
) -> Computed:
    """DPO's loss of each row's first answer over its second, against a reference of -2 a token."""
    vlm.model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        scored = score(vlm, rows)
    margins = [(own[0].double() + 2).sum() - (own[1].double() + 2).sum() for own in scored]
    loss = -torch.nn.functional.logsigmoid(0.1 * torch.stack(margins)).sum()
    loss.backward()
    grads = [p.grad.double().flatten() for p in vlm.model.parameters() if p.grad is not None]
    logp = torch.cat([each.detach().double() for own in scored for each in own])
    return Computed(logp, loss.item(), torch.cat(grads))


def away(found: Computed, exact: Computed) -> Away:
    apart = (found.logp - exact.logp).abs()
    return Away(
        tokens=float(apart.square().mean().sqrt()),
        largest=float(apart.max()),
        loss=abs(found.loss - exact.loss) / abs(exact.loss),
        gradient=float((found.gradient - exact.gradient).norm() / exact.gradient.norm()),
    )


def pooled(each: Sequence[Away]) -> Away:
    """Of several draws of weights: mean squares and means, but the largest of largest and loss."""
    squares = [one.tokens**2 for one in each]
    return Away(
        tokens=(sum(squares) / len(squares)) ** 0.5,
        largest=max(one.largest for one in each),
        loss=max(one.loss for one in each),
        gradient=sum(one.gradient for one in each) / len(each),
    )


def draw(vlm: Vlm, seed: int) -> None:
    """Weights of unit gain; seed 0 leaves those that the family was built with."""
    torch.manual_seed(seed)
    for weight in vlm.model.parameters() if seed else ():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=weight.shape[-1] ** -0.5)


def measured(
    build: Callable[[], Built], held: Held, engines: dict[str, TokenLogProbs], seeds: int
) -> dict[str, Away]:
    """Each engine in bfloat16 against separate rows in float32."""
    vlm, rows = built(build)
    found: dict[str, list[Away]] = {name: [] for name in engines}
    for seed in range(seeds):
        draw(vlm, seed)
        low = vlm
        if held == "bfloat16":
            low = replace(vlm, model=deepcopy(vlm.model).bfloat16())
            vlm = replace(vlm, model=deepcopy(low.model).float())  # the same, rounded weights
        exact = computed(vlm, rows, separate, autocast=False)
        for name, engine in engines.items():
            one = computed(low, rows, engine, autocast=True)
            found[name].append(away(one, exact))
    return {name: pooled(each) for name, each in found.items()}


@pytest.mark.bench
def test_packing_adds_no_error_to_that_of_bfloat16_in_any_family() -> None:
    lines = ["| family | " + " | ".join(f"{held} {of}" for held in HELD for of in SHOWN) + " |"]
    for build in (*PACKED, *ALONE):
        engines = {"separate": separate, **(PACKINGS if build in PACKED else {})}
        found = [measured(build, held, engines, SEEDS) for held in HELD]
        cells = [
            ", ".join(f"{getattr(each, name):.4f}" for each in of.values())
            for of in found
            for name in SHOWN
        ]
        lines.append("| " + " | ".join([build.__name__, *cells]) + " |")
        assert build in ALONE or all(map(near, found)), lines[-1]
    print("\n" + "\n".join(lines))


def leak(rows: Sequence[PackedRow], pad_id: int, **options: bool) -> PackedLayout:
    """Fault: an answer sees the answers before it."""
    layout = lay_out(rows, pad_id, **options)
    return replace(layout, visible=torch.ones_like(layout.visible))


def rounded(logits_NV: Tensor, ids_N: Tensor) -> Tensor:
    """Fault: the softmax is taken in bfloat16."""
    return logits_NV.bfloat16().log_softmax(-1).gather(1, ids_N[:, None])[:, 0].float()


def near(found: dict[str, Away]) -> bool:
    """Whether every engine is within the tolerance and about as near as separate rows are."""
    alone = found["separate"]
    return all(
        each.tokens < min(TOKENS, MORE * alone.tokens)
        and each.gradient < min(GRADIENT, MORE * alone.gradient)
        for each in found.values()
    )


@pytest.mark.parametrize("held", ["bfloat16", "float32"])
def test_packed_rows_in_bfloat16_are_as_near_to_float32_as_separate_ones(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert near(measured(PACKED[0], held, {"separate": separate, **PACKINGS}, SEEDS))
    # what packing could add: an answer that is seen by another, figures rounded on their way
    for module, name, fault in (
        (packed_module, "lay_out", leak),
        (head_module, "token_logp", rounded),
    ):
        monkeypatch.setattr(module, name, fault)
        assert not near(measured(PACKED[0], held, {"separate": separate, **DENSE}, SEEDS)), name
        monkeypatch.undo()
