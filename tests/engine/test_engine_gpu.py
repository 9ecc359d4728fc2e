"""On an accelerator: every kind of attention against the CPU's separate rows, and bfloat16."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from groundtune.engine.attention import Attention
from groundtune.engine.choose import choose_attention
from groundtune.engine.logprobs import TokenLogProbs
from groundtune.engine.packed import Packed
from groundtune.engine.rows import PromptRow
from groundtune.engine.separate import separate
from groundtune.vlm.load import Vlm
from tiny_families import PACKED, Built, built

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.parametrize("build", PACKED, ids=lambda build: build.__name__),
]
KINDS: tuple[Attention, ...] = ("dense", "segments", "flex")


def run(engine: TokenLogProbs, vlm: Vlm, rows: Sequence[PromptRow]) -> tuple[Tensor, Tensor]:
    """All log-probabilities, and the gradient of their sum over all weights, on the CPU."""
    vlm.model.zero_grad()
    logp_N = torch.cat([each for own in engine(vlm, rows) for each in own])
    logp_N.sum().backward()
    grads = [p.grad.flatten().cpu() for p in vlm.model.parameters() if p.grad is not None]
    return logp_N.detach().cpu(), torch.cat(grads)


def apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / other.norm())


def test_float32_equals_the_cpu(build: Callable[[], Built]):
    vlm, rows = built(build)
    exact_N, exact_gradient = run(separate, vlm, rows)
    on_gpu = replace(vlm, model=vlm.model.cuda(), device=torch.device("cuda"))
    for kind in KINDS:
        logp_N, gradient = run(Packed(attention=kind), on_gpu, rows)
        assert float((logp_N - exact_N).abs().max()) < 1e-4, kind
        assert apart(gradient, exact_gradient) < 1e-4, kind


def test_bfloat16_is_as_near_to_float32_as_separate_rows_in_bfloat16(build: Callable[[], Built]):
    vlm, rows = built(build)
    exact_N, exact_gradient = run(separate, vlm, rows)
    on_gpu = replace(vlm, model=vlm.model.cuda(), device=torch.device("cuda"))
    with torch.autocast("cuda", torch.bfloat16):
        plain_N, plain_gradient = run(separate, on_gpu, rows)
        found = {kind: run(Packed(attention=kind), on_gpu, rows) for kind in KINDS}
    for kind, (logp_N, gradient) in found.items():
        figures = (apart(logp_N, exact_N), apart(plain_N, exact_N))
        gradients = (apart(gradient, exact_gradient), apart(plain_gradient, exact_gradient))
        print(f"{build.__name__} {kind}: log-probabilities {figures}, gradients {gradients}")
        assert figures[0] < 2 * figures[1] + 1e-3, kind
        assert gradients[0] < 2 * gradients[1] + 1e-3, kind


def test_flex_attention_is_among_those_that_are_measured(build: Callable[[], Built]):
    vlm, rows = built(build)
    on_gpu = replace(vlm, model=vlm.model.cuda(), device=torch.device("cuda"))
    choice = choose_attention(on_gpu, rows, repeats=1)
    assert not choice.seconds or set(choice.seconds) == set(KINDS)
