"""The separate engine against plain passes on tiny random models of other families."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from groundtune.engine.features import image_arguments
from groundtune.engine.rows import Row
from groundtune.engine.separate import separate
from tiny_families import PACKED, Built, built, plain

ALL = pytest.mark.parametrize("build", PACKED, ids=lambda build: build.__name__)


@ALL
def test_a_padded_batch_equals_plain_passes_in_this_family(build: Callable[[], Built]):
    vlm, rows = built(build)
    with torch.no_grad():
        found = separate(vlm, rows)
        for row, scored in zip(rows, found, strict=True):
            for each, logp in zip(row.answers, scored, strict=True):
                assert float((logp - plain(vlm, row, each.ids)).abs().max()) < 1e-5
        first = rows[0].prompt
        pixels = {
            **first.features,
            "pixel_values": torch.randn_like(first.features["pixel_values"]),
        }
        blind = Row(replace(first, features=pixels), rows[0].answers)
        other = separate(vlm, [blind])[0][0]
        assert float((other - found[0][0]).abs().max()) > 0.05


@ALL
def test_images_are_shared_by_the_rows_of_a_prompt(build: Callable[[], Built]):
    vlm, rows = built(build)
    times = [len(row.answers) for row in rows]
    with torch.no_grad():
        arguments = image_arguments(vlm, [row.prompt for row in rows], times)
    assert arguments["pixel_values"] is None
    assert "image" in arguments["mm_encoder_outputs"]
