"""Each family's drawn log-probabilities are the trainer's, and it learns from its own answers."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from groundtune.engine.engines import cannot_pack
from groundtune.pipeline.rl.run import rl
from groundtune.protocols import SilentProgress
from groundtune.train.log import read_log
from groundtune.vlm.family import family_of_type
from groundtune.vlm.load import load
from rl_folder import Letters, prompt_rows, recipe
from tiny_processors import PROCESSORS, WITH_PACKAGES, instructblip, saved


@pytest.mark.slow
@pytest.mark.parametrize("make", [*PROCESSORS, *WITH_PACKAGES], ids=lambda make: make.__name__)
def test_a_family_learns_from_its_own_answers(make: Callable[[], Any], tmp_path: Path) -> None:
    for package in family_of_type(make.__name__).packages:
        pytest.importorskip(package)
    (tmp_path / "model").mkdir()
    model = Path(saved(make, tmp_path / "model"))
    asked = prompt_rows(tmp_path / "asked")
    methods = ("rloo",) if make is instructblip else ("rloo", "ppo")  # it has no states to read
    for method in methods:
        settings = recipe(
            model, asked, method={"type": method}, steps=2, held_out=0, eval_every=0, n=3
        )
        out = tmp_path / method
        rl(settings, out, SilentProgress(), rewarders={"letters": Letters()})
        steps = read_log(out / "log.jsonl")
        assert max(line["gap"] for line in steps) <= 1e-5, method
        assert all(math.isfinite(line["loss"]) for line in steps)
        assert steps[0]["gradient_norm"] > 0
        assert cannot_pack(load(str(out / "model"))) == cannot_pack(load(str(model)))
