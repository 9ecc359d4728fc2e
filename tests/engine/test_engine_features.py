"""What several prompts of a forward pass show alike is encoded once, and nothing else is merged."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from groundtune.engine.engines import engine_of
from groundtune.engine.logprobs import TokenLogProbs
from groundtune.engine.rows import PromptRow
from groundtune.engine.separate import separate
from groundtune.vlm.encoded import EncodedPrompt
from groundtune.vlm.load import Vlm
from tiny_families import SHARED, Built, answer, built, instructblip, llava, mllama, qwen3_vl

ALL = pytest.mark.parametrize("build", SHARED, ids=lambda build: build.__name__)
ANSWERS = (answer(60, 61, 62, 2), answer(63, 64, 2))


def longer(prompt: EncodedPrompt, along: tuple[str, ...] = ("cross_attention_mask",)) -> Any:
    """Another question about the same image, whose features are other tensors of equal values."""
    words = (70, 71, 72)
    features = {name: value.clone() for name, value in prompt.features.items()}
    for name in features.keys() & set(along):
        value = features[name]
        features[name] = torch.cat([value, value[:, -1:].expand(-1, len(words), -1, -1)], 1)
    marks = {
        name: torch.cat([mark, mark.new_zeros(len(words))]) for name, mark in prompt.marks.items()
    }
    return replace(prompt, ids=(*prompt.ids, *words), features=features, marks=marks)


def with_pixels(prompt: EncodedPrompt, change: Callable[[Tensor], Tensor]) -> EncodedPrompt:
    changed = {"pixel_values": change(prompt.features["pixel_values"])}
    return replace(prompt, features={**prompt.features, **changed})


@contextmanager
def encoded(vlm: Vlm) -> Generator[list[int]]:
    """Numbers that went into the image encoder, a call each."""
    base = vlm.model.base_model
    names = ("vision_tower", "visual", "vision_model")
    tower = next(getattr(base, name) for name in names if hasattr(base, name))
    seen: list[int] = []

    def note(_: Any, args: tuple[Any, ...], given: dict[str, Any]) -> None:
        seen.append((args[0] if args else given["pixel_values"]).numel())

    hook = tower.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield seen
    finally:
        hook.remove()


def sent(vlm: Vlm, score: TokenLogProbs, rows: list[PromptRow]) -> int:
    """How many numbers the encoder gets in a pass of the rows."""
    with torch.no_grad(), encoded(vlm) as seen:
        score(vlm, rows)
    assert len(seen) == 1
    return seen[0]


def learnt(vlm: Vlm, score: TokenLogProbs, passes: list[list[PromptRow]]) -> tuple[float, Any]:
    """DPO's loss of each row's first answer over its second, and its gradient by weight."""
    vlm.model.zero_grad()
    total = 0.0
    for rows in passes:
        scored = score(vlm, rows)
        margins = torch.stack([own[0].double().sum() - own[1].double().sum() for own in scored])
        loss = -torch.nn.functional.logsigmoid(0.1 * margins).sum()
        loss.backward()
        total += loss.item()
    named = vlm.model.named_parameters()
    return total, {name: p.grad.clone() for name, p in named if p.grad is not None}


@ALL
def test_an_image_of_two_prompts_is_encoded_once_with_the_loss_and_gradients_of_two_passes(
    build: Callable[[], Built],
):
    vlm, rows = built(build)
    first, other = (
        replace(row.prompt, images=(name,)) for row, name in zip(rows, "ab", strict=True)
    )
    alike = [
        PromptRow(first, rows[0].answers),
        PromptRow(other, rows[1].answers),
        PromptRow(longer(first), ANSWERS),
    ]
    for score in (engine_of(vlm), separate):
        assert sent(vlm, score, alike) == sent(vlm, score, alike[:2])
        assert sent(vlm, score, [alike[0], alike[2]]) == sent(vlm, score, alike[:1])
        loss, gradient = learnt(vlm, score, [alike])
        apart_loss, apart = learnt(vlm, score, [[row] for row in alike])
        assert loss == pytest.approx(apart_loss, rel=1e-6)
        assert gradient.keys() == apart.keys()
        for name, expected in apart.items():
            difference = float((gradient[name] - expected).norm())
            assert difference <= 1e-4 * float(expected.norm()) + 1e-6, name
        image_side = [name for name in apart if "vis" in name]
        assert max(float(apart[name].norm()) for name in image_side) > 1e-3


@pytest.mark.parametrize("build", [llava, qwen3_vl, mllama, instructblip], ids=lambda b: b.__name__)
@pytest.mark.parametrize("how", ["another", "a view", "unknown"])
def test_images_that_may_differ_are_not_merged(build: Callable[[], Built], how: str):
    vlm, rows = built(build)
    first = replace(rows[0].prompt, images=("a",))
    second = longer(first)
    if how == "another":
        second = with_pixels(replace(second, images=("b",)), torch.randn_like)
    elif how == "a view":  # under the image's own sha256
        second = with_pixels(second, lambda pixels: pixels + 0.5)
    else:
        first, second = replace(first, images=()), replace(second, images=())
    mixed = [PromptRow(first, rows[0].answers), PromptRow(second, ANSWERS)]
    for score in (engine_of(vlm), separate):
        assert sent(vlm, score, mixed) == 2 * sent(vlm, score, mixed[:1])
        with torch.no_grad():
            together = score(vlm, mixed)
            apart = [score(vlm, [row])[0] for row in mixed]
        for one, two in zip(together, apart, strict=True):
            for found, expected in zip(one, two, strict=True):
                assert float((found - expected).abs().max()) < 1e-5


def test_an_image_with_another_instruction_is_not_merged():
    vlm, rows = built(instructblip)
    prompts = [
        replace(rows[0].prompt, images=("a",)),
        replace(longer(rows[0].prompt), images=("a",)),
    ]
    ids = prompts[1].features["qformer_input_ids"]
    prompts[1] = replace(prompts[1], features={**prompts[1].features, "qformer_input_ids": ids + 7})
    mixed = [PromptRow(prompt, ANSWERS) for prompt in prompts]
    assert sent(vlm, separate, mixed) == 2 * sent(vlm, separate, mixed[:1])


def test_prompts_without_images_may_be_between():
    vlm, rows = built(llava)
    first = replace(rows[0].prompt, images=("a",))
    bare = EncodedPrompt(ids=(1, 5, 6, 7), features={})
    mixed = [PromptRow(first, ANSWERS), PromptRow(bare, ANSWERS), PromptRow(longer(first), ANSWERS)]
    assert sent(vlm, engine_of(vlm), mixed) == sent(vlm, engine_of(vlm), mixed[:1])
    with torch.no_grad():
        for found, row in zip(engine_of(vlm)(vlm, mixed), mixed, strict=True):
            alone = engine_of(vlm)(vlm, [row])[0]
            assert float((torch.cat(found) - torch.cat(alone)).abs().max()) < 1e-5
