"""The separate engine against plain passes on tiny random models of other families."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from groundtune.engine.engines import engine_of
from groundtune.engine.features import image_arguments
from groundtune.engine.packed import Packed
from groundtune.engine.rows import PromptRow
from groundtune.engine.separate import Separate, separate
from groundtune.errors import UserError
from groundtune.vlm.family import family_of
from tiny_families import ALONE, PACKED, SHARED, Built, built, mllama, plain
from tiny_parts import other_image

ALL = pytest.mark.parametrize("build", [*PACKED, *ALONE], ids=lambda build: build.__name__)


@ALL
def test_a_padded_batch_equals_plain_passes_in_this_family(build: Callable[[], Built]):
    vlm, rows = built(build)
    with torch.no_grad():
        found = separate(vlm, rows)
        for row, scored in zip(rows, found, strict=True):
            for each, logp in zip(row.answers, scored, strict=True):
                assert float((logp - plain(vlm, row, each.ids)).abs().max()) < 1e-5
        first = rows[0].prompt
        blind = PromptRow(other_image(first), rows[0].answers)
        other = separate(vlm, [blind])[0][0]
        assert float((other - found[0][0]).abs().max()) > 0.05


@pytest.mark.parametrize("build", SHARED, ids=lambda build: build.__name__)
def test_images_are_shared_by_the_rows_of_a_prompt(build: Callable[[], Built]):
    vlm, rows = built(build)
    times = [len(row.answers) for row in rows]
    with torch.no_grad():
        arguments = image_arguments(vlm, [row.prompt for row in rows], times)
    assert arguments["pixel_values"] is None
    assert "mm_encoder_outputs" in arguments or "cross_attention_states" in arguments


@pytest.mark.parametrize("build", ALONE, ids=lambda build: build.__name__)
def test_a_family_that_cannot_be_packed_is_run_in_separate_rows_for_a_reason(
    build: Callable[[], Built],
):
    vlm, _ = built(build)
    engine = engine_of(vlm)
    assert isinstance(engine, Separate)
    assert engine.why.startswith(family_of(vlm.model).name)


def test_a_family_that_can_be_packed_is_packed_unless_its_layers_take_no_mask():
    vlm, _ = built(PACKED[0])
    assert isinstance(engine_of(vlm), Packed)
    vlm.model.config.text_config.layer_types = ["conv", "full_attention"]
    assert "conv" in engine_of(vlm).why


def test_an_untested_family_runs_in_separate_rows_with_pixels():
    vlm, rows = built(PACKED[0])
    with torch.no_grad():
        known = separate(vlm, rows)
        vlm.model.config.model_type = "another"
        assert "another" in engine_of(vlm).why
        for one, other in zip(separate(vlm, rows)[0], known[0], strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_mllama_does_not_mix_prompts_with_and_without_images_unnoticed():
    vlm, rows = built(mllama)
    bare = PromptRow(replace(rows[0].prompt, features={}), rows[0].answers)
    with pytest.raises(UserError, match="with and without images"):
        separate(vlm, [bare, rows[1]])
