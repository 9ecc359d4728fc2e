"""DeepSpeed's ZeRO in two processes on a CPU: `make test-zero`, which installs DeepSpeed."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText

from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.pipeline.train.run import train
from groundtune.train.parallel import Parallel
from groundtune.train.zero import requested_stage
from several_processes import assert_the_same, launch, losses, recipe, refused, scored, weights
from training_folder import fill_several

installed = pytest.mark.skipif(
    find_spec("deepspeed") is None, reason="DeepSpeed is not installed: make test-zero"
)


@installed
@pytest.mark.slow
def test_every_stage_trains_like_one_process_and_resumes_where_it_stopped(
    tiny_llava: Path, tmp_path: Path
) -> None:
    pairs = fill_several(tmp_path / "pairs").path
    made = {
        "whole": recipe(tiny_llava, pairs, keep=9),
        "adapter": recipe(tiny_llava, pairs, tune={"type": "lora", "dropout": 0}, keep=9),
    }
    for name, params in made.items():
        train(params, tmp_path / name, SilentProgress())
    runs = [("whole", 1), ("whole", 2), ("whole", 3), ("adapter", 2), ("adapter", 3)]
    staged = {
        f"{name}-{stage}": made[name].model_copy(update={"zero": stage}) for name, stage in runs
    }
    said = launch(*((params, tmp_path / name) for name, params in staged.items()))
    for name, stage in runs:
        assert_the_same(tmp_path / f"{name}-{stage}", tmp_path / name)
    AutoModelForImageTextToText.from_pretrained(tmp_path / "whole-3" / "model")
    assert "INFO" not in said  # DeepSpeed logs on stderr

    for name in staged:
        saved = tmp_path / name / "checkpoints" / "step-000002"
        for other in ("again", "other"):
            shutil.copytree(saved, tmp_path / other / name / "checkpoints" / "step-000002")
    evaluated = made["whole"].model_copy(update={"zero": 3, "eval_every": 1})
    launch(
        *((params, tmp_path / "again" / name) for name, params in staged.items()),
        (made["whole"].model_copy(update={"zero": 2, "eval_every": 2}), tmp_path / "scored"),
        (evaluated, tmp_path / "evaluated"),
        (staged["whole-3"], tmp_path / "other" / "whole-1"),
    )
    assert "can't be evaluated during training" in refused(tmp_path / "evaluated")
    assert losses(tmp_path / "scored") == losses(tmp_path / "whole-2")
    for name in staged:
        once, again = tmp_path / name, tmp_path / "again" / name
        assert losses(again) == losses(once)[2:]
        assert all(torch.equal(weights(again)[key], own) for key, own in weights(once).items())
    # what stage 3 left is gone on with by one process, and what stage 1 left by stage 3
    train(made["whole"], tmp_path / "other" / "whole-3", SilentProgress())
    expected = losses(tmp_path / "whole")[2:]
    for name in ("whole-3", "whole-1"):
        assert losses(tmp_path / "other" / name) == pytest.approx(expected, rel=1e-5)


def test_one_process_needs_no_zero(tiny_llava: Path, tmp_path: Path) -> None:
    pairs = fill_several(tmp_path / "pairs", prompts=2).path
    params = recipe(tiny_llava, pairs, max_steps=1)
    for name, zero in (("with", 3), ("without", 0)):
        made = params.model_copy(update={"zero": zero, "eval_every": 1})
        train(made, tmp_path / name, SilentProgress(), evaluate=scored)
    assert losses(tmp_path / "with") == losses(tmp_path / "without")


def test_the_stage_is_the_recipes_or_the_launchers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert requested_stage(3) == 3
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    assert requested_stage(0) == 2
    monkeypatch.setenv("ACCELERATE_DEEPSPEED_ZERO_STAGE", "3")
    monkeypatch.setenv("ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE", "none")
    assert requested_stage(0) == 3
    with pytest.raises(UserError, match="FSDP2 and DeepSpeed can't both"):
        Parallel(torch.device("cpu"), bf16=False, shard=True)
    monkeypatch.setenv("ACCELERATE_DEEPSPEED_CONFIG_FILE", "zero.json")
    with pytest.raises(UserError, match="configuration files and offloading"):
        requested_stage(0)
