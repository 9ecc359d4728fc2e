"""Questions behind one prompt's cache against a full prompt each, in every family."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from groundtune.engine import shared_prefix
from groundtune.engine.rows import PromptRow
from groundtune.engine.shared_prefix import common_start, score_after
from groundtune.vlm.encoded import EncodedPrompt
from groundtune.vlm.load import Vlm
from tiny_families import ALONE, PACKED, Built, answer, built, plain

ALL = pytest.mark.parametrize("build", [*PACKED, *ALONE], ids=lambda build: build.__name__)
QUESTIONS = ((30, 31, 32, 33, 34), (30, 31, 32, 33, 40, 41), (50,), (), (60, 61, 62))
WANTED = (70, 71, 2)


def exact(vlm: Vlm, row: PromptRow, questions: Sequence[tuple[int, ...]]) -> torch.Tensor:
    """One whole pass for each question and wanted token."""
    return torch.stack(
        [torch.stack([plain(vlm, row, (*ids, token))[-1] for token in WANTED]) for ids in questions]
    )


@ALL
@pytest.mark.parametrize("chunk", [8, 512])
def test_questions_after_one_prompt_score_as_alone(build: Callable[[], Built], chunk: int):
    vlm, rows = built(build)
    with torch.no_grad():
        wanted = exact(vlm, rows[1], QUESTIONS)
    found = score_after(vlm, rows[1].prompt, QUESTIONS, WANTED, chunk_tokens=chunk)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("build", PACKED, ids=lambda build: build.__name__)
def test_the_comparison_catches_a_cache_that_keeps_the_questions_before(
    build: Callable[[], Built], monkeypatch: pytest.MonkeyPatch
):
    vlm, rows = built(build)
    whole = score_after(vlm, rows[1].prompt, QUESTIONS, WANTED)

    def leaking(*given: object, **options: object) -> object:
        mask = masks(*given, **options)
        parts = mask.values() if isinstance(mask, dict) else [mask]
        for part in parts:
            if part.dtype == torch.bool:
                part.fill_(True)
        return mask

    masks = shared_prefix.masks
    monkeypatch.setattr(shared_prefix, "masks", leaking)
    found = score_after(vlm, rows[1].prompt, QUESTIONS, WANTED)
    assert float((found - whole).abs().max()) > 0.05


def test_the_prompt_and_its_images_are_run_once():
    vlm, rows = built(PACKED[0])
    tokens, images = list[int](), list[int]()
    base = vlm.model.base_model
    hooks = [
        base.vision_tower.register_forward_hook(lambda _, args, out: images.append(len(args[0]))),
        base.language_model.register_forward_pre_hook(
            lambda _, args, given: tokens.append(given["inputs_embeds"].shape[1]), with_kwargs=True
        ),
    ]
    score_after(vlm, rows[1].prompt, QUESTIONS, WANTED)
    for hook in hooks:
        hook.remove()
    assert images == [2]
    assert tokens == [len(rows[1].prompt.ids), 4 + 1 + 2 + 1 + 3]  # the shared start once


ids = st.lists(st.integers(5, 8), min_size=1, max_size=6).map(tuple)


@given(start=ids, ends=st.lists(ids, min_size=1, max_size=4))
def test_a_common_start_and_a_continuation_make_each_prompt_again(
    start: tuple[int, ...], ends: list[tuple[int, ...]]
):
    prompts = [EncodedPrompt(ids=start + end, features={}) for end in ends]
    common = common_start(prompts)
    assert [common.prompt.ids + each for each in common.continuations] == [p.ids for p in prompts]
    assert all(common.continuations)
    assert len(common.prompt.ids) >= len(start)


def test_prompts_on_one_image_are_taken_apart_behind_it():
    vlm, rows = built(PACKED[-1])
    asked = [
        replace(
            rows[0].prompt,
            ids=(*rows[0].prompt.ids, *more),
            marks={
                k: torch.nn.functional.pad(v, (0, len(more)))
                for k, v in rows[0].prompt.marks.items()
            },
        )
        for more in ((30, 31), (30, 40, 41))
    ]
    common = common_start(asked)
    found = score_after(vlm, common.prompt, common.continuations, WANTED)
    with torch.no_grad():
        for prompt, scores in zip(asked, found, strict=True):
            row = PromptRow(prompt, (answer(2),))
            alone = torch.stack([plain(vlm, row, (token,))[0] for token in WANTED])
            torch.testing.assert_close(scores, alone, atol=1e-5, rtol=0)
