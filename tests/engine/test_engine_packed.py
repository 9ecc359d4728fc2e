"""Packed rows against separate ones, on a tiny model of every family that can share a row.

The oracle is one plain, unpadded forward pass an answer. Deliberate faults are the controls: what
the comparison wouldn't catch, it can't vouch for.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from groundtune.engine import packed as packed_module
from groundtune.engine.attention import NAME
from groundtune.engine.layout import PackedLayout, PackedRow, lay_out
from groundtune.engine.packed import Packed, packed
from groundtune.engine.rows import PromptRow
from groundtune.engine.separate import separate
from groundtune.vlm.load import Vlm
from groundtune.vlm.plain import plain_model
from tiny_families import PACKED, Built, answer, built, plain
from tiny_parts import other_image

TOLERANCE = 1e-5
ALL = pytest.mark.parametrize("build", PACKED, ids=lambda build: build.__name__)


def flat(scored: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    return [each for own in scored for each in own]


def apart(one: Sequence[Sequence[Tensor]], other: Sequence[Sequence[Tensor]]) -> float:
    """Largest difference of a token's log-probability."""
    return max((a - b).abs().max().item() for a, b in zip(flat(one), flat(other), strict=True))


def loss_of(scored: Sequence[Sequence[Tensor]]) -> Tensor:
    """DPO's loss of each row's first answer over its second, against a reference of -2 a token."""
    margins = [(own[0].double() + 2).sum() - (own[1].double() + 2).sum() for own in scored]
    return -torch.nn.functional.logsigmoid(0.1 * torch.stack(margins)).sum()


def gradient(vlm: Vlm, scored: Sequence[Sequence[Tensor]]) -> tuple[float, dict[str, Tensor]]:
    vlm.model.zero_grad()
    loss = loss_of(scored)
    loss.backward()
    named = vlm.model.named_parameters()
    found = {name: p.grad.clone() for name, p in named if p.grad is not None}
    return loss.item(), found


def relative(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Length of the difference of two gradients, over that of the second."""
    assert one.keys() == other.keys()
    difference = sum(float((one[name] - other[name]).double().square().sum()) for name in one)
    whole = sum(float(each.double().square().sum()) for each in other.values())
    return (difference / whole) ** 0.5


@ALL
def test_packed_rows_have_the_log_probabilities_loss_and_gradients_of_separate_ones(
    build: Callable[[], Built],
):
    vlm, rows = built(build)
    with torch.no_grad():
        exact = [[plain(vlm, row, each.ids) for each in row.answers] for row in rows]
    exact_loss, exact_gradient = gradient(vlm, separate(vlm, rows))
    for engine in (packed, Packed(attention="segments", share_starts=2)):
        scored = engine(vlm, rows)
        assert apart(scored, exact) < TOLERANCE
        loss, found = gradient(vlm, scored)
        assert loss == pytest.approx(exact_loss, rel=TOLERANCE)
        assert relative(found, exact_gradient) < TOLERANCE


def leak(rows: Sequence[PackedRow], pad_id: int, **options: Any) -> PackedLayout:
    """Fault: an answer sees the answers before it."""
    layout = lay_out(rows, pad_id, **options)
    return replace(layout, visible=torch.ones_like(layout.visible))


def shift(rows: Sequence[PackedRow], pad_id: int, **options: Any) -> PackedLayout:
    """Fault: an answer's positions go on after the answer before it."""
    layout = lay_out(rows, pad_id, **options)
    return replace(layout, order_BL=torch.arange(layout.ids_BL.shape[1]).expand_as(layout.ids_BL))


@ALL
def test_the_same_comparison_catches_a_leak_a_wrong_position_and_a_wrong_image(
    build: Callable[[], Built], monkeypatch: pytest.MonkeyPatch
):
    vlm, rows = built(build)
    with torch.no_grad():
        exact = packed(vlm, rows)
        for fault in (leak, shift):
            monkeypatch.setattr(packed_module, "lay_out", fault)
            assert apart(packed(vlm, rows), exact) > 0.05, fault.__name__
        monkeypatch.undo()
        other = [row._replace(prompt=other_image(row.prompt)) for row in rows]
        assert apart(packed(vlm, other), exact) > 0.05


def test_the_tower_and_the_prompt_are_run_once_and_answers_that_are_alike_once():
    vlm, rows = built(PACKED[0])
    first = rows[0].prompt
    pair = (answer(30, 31, 2), answer(40, 41, 2))
    again = [PromptRow(first, pair), PromptRow(first, (*pair[::-1], answer(30, 31, 2))), rows[1]]
    images, tokens = list[int](), list[int]()
    base = vlm.model.base_model
    hooks = [
        base.vision_tower.register_forward_hook(lambda _, args, out: images.append(len(args[0]))),
        base.language_model.register_forward_pre_hook(
            lambda _, args, given: tokens.append(given["inputs_embeds"].shape[:2].numel()),
            with_kwargs=True,
        ),
    ]
    with torch.no_grad():
        found = Packed(attention="segments")(vlm, again)
        exact = separate(vlm, again)
    for hook in hooks:
        hook.remove()
    assert images[0] == 3
    assert tokens[0] == len(first.ids) + 2 + 2 + len(rows[1].prompt.ids) + 9 + 0
    assert apart(found, exact) < TOLERANCE
    assert found[0][0] is found[1][2]


def test_chunks_of_logits_change_nothing():
    vlm, rows = built(PACKED[0])
    whole_loss, whole = gradient(vlm, packed(vlm, rows))
    loss, found = gradient(vlm, Packed(chunk_bytes=3 * 120 * 4)(vlm, rows))
    assert loss == pytest.approx(whole_loss, rel=1e-6)
    assert relative(found, whole) < 1e-6


def test_no_forward_pass_holds_more_logits_than_the_chunk():
    vlm, rows = built(PACKED[0])
    sizes = list[int]()
    hook = vlm.model.lm_head.register_forward_hook(lambda _, args, out: sizes.append(len(out)))
    gradient(vlm, Packed(chunk_bytes=3 * 120 * 4)(vlm, rows))
    hook.remove()
    assert max(sizes) == 3
    assert sum(sizes) == 2 * (5 + 2 + 6 + 10 + 1)  # and each chunk again in the backward pass


def test_prompts_without_images_and_with_share_a_forward_pass():
    vlm, rows = built(PACKED[0])
    bare = replace(rows[0].prompt, ids=(1, 7, 8, 9), features={})
    mixed = [PromptRow(bare, rows[1].answers), *rows]
    with torch.no_grad():
        assert apart(packed(vlm, mixed), separate(vlm, mixed)) < TOLERANCE
        assert apart(packed(vlm, mixed[:1]), separate(vlm, mixed[:1])) < TOLERANCE


def test_gradient_checkpointing_and_an_adapter_change_nothing():
    from peft import LoraConfig, get_peft_model

    vlm, rows = built(PACKED[0])
    config = LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
    with warnings.catch_warnings():
        # transformers is about to rename it; the floor has the old name only
        warnings.simplefilter("ignore", FutureWarning)
        model = get_peft_model(vlm.model, config)
        model.get_base_model().gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    tuned = replace(vlm, model=model)
    assert plain_model(model) is vlm.model
    _, exact = gradient(tuned, separate(tuned, rows))
    for attention in ("dense", "segments"):
        _, found = gradient(tuned, Packed(attention=attention)(tuned, rows))
        assert relative(found, exact) < TOLERANCE


class Spread(torch.nn.Module):
    """Like the wrapper of a sharded model: every call goes through its forward."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: Any, **options: Any) -> Any:
        return self.module(*args, **options)


@ALL
def test_a_wrapped_model_is_run_through_its_outermost_forward(build: Callable[[], Built]):
    vlm, rows = built(build)
    wrapped = replace(vlm, model=Spread(vlm.model))
    with torch.no_grad():
        exact = packed(vlm, rows)
        assert apart(packed(wrapped, rows), exact) < TOLERANCE
        assert apart(separate(wrapped, rows), exact) < TOLERANCE


def test_a_saved_model_does_not_name_our_attention(tmp_path: Path):
    vlm, rows = built(PACKED[0])
    with torch.no_grad():
        packed(vlm, rows)
    vlm.model.config.save_pretrained(tmp_path)
    assert NAME not in (tmp_path / "config.json").read_text()
