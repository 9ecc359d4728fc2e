"""Two processes train as one does: the same losses, weights and resumed steps, copied or cut."""

import shutil
from pathlib import Path

import pytest
import torch

from groundtune.cli.progress import SilentProgress
from groundtune.pipeline.train.run import train
from several_processes import (
    assert_the_same,
    launch,
    lines,
    losses,
    recipe,
    refused,
    scored,
    weights,
)
from training_folder import ask, fill_several, two_answers


@pytest.mark.slow
def test_two_processes_train_evaluate_and_resume_like_one_with_weights_copied_or_sharded(
    tiny_llava: Path, tmp_path: Path
) -> None:
    pairs = fill_several(tmp_path / "pairs").path
    whole = recipe(tiny_llava, pairs, eval_every=2)
    adapter = recipe(tiny_llava, pairs, tune={"type": "lora", "dropout": 0}, keep=9)
    random = recipe(tiny_llava, pairs, tune={"type": "lora", "dropout": 0.2}, keep=9, shard=True)
    for name, params in (("whole", whole), ("adapter", adapter)):
        train(params, tmp_path / name, SilentProgress(), evaluate=scored)
    once, again = tmp_path / "once", tmp_path / "again"
    mixed = fill_several(tmp_path / "mixed", prompts=1)
    mixed.prompts.append([ask("bare", "What are cups?", [])])
    mixed.pairs.append([two_answers("pair-bare", "bare", "They are {}.")])
    unlike = whole.model_copy(update={"pairs": mixed.path})
    launch(
        (whole, tmp_path / "whole-copied"),
        (whole.model_copy(update={"shard": True}), tmp_path / "whole-cut"),
        (adapter.model_copy(update={"shard": True}), tmp_path / "adapter-cut"),
        (random, once),
        (adapter.model_copy(update={"shard": True, "keep_images": True}), tmp_path / "keeping"),
        (unlike, tmp_path / "unlike"),
    )
    assert "can't be kept with sharded weights" in refused(tmp_path / "keeping")
    assert "with and without images" in refused(tmp_path / "unlike")
    assert_the_same(tmp_path / "whole-copied", tmp_path / "whole")
    assert_the_same(tmp_path / "whole-cut", tmp_path / "whole")
    assert_the_same(tmp_path / "adapter-cut", tmp_path / "adapter")
    evaluated = lines(tmp_path / "whole-cut", "eval/b/best")
    assert len(set(evaluated)) == len(evaluated) > 1
    # stopped, they go on exactly; an evaluation, which draws numbers too, changes nothing
    alone, both = tmp_path / "alone", tmp_path / "both"
    saved = Path("checkpoints") / "step-000002"
    stopped = {again: once, alone: tmp_path / "adapter-cut", both: tmp_path / "adapter"}
    for gone_on, left in stopped.items():
        shutil.copytree(left / saved, gone_on / saved)
    launch((random.model_copy(update={"eval_every": 1}), again), (adapter, both))
    assert losses(again) == losses(once)[2:]
    assert all(torch.equal(weights(again)[name], own) for name, own in weights(once).items())
    # what two processes left cut is gone on with by one, and what one left by two
    train(adapter, alone, SilentProgress())
    for out in (alone, both):
        assert losses(out) == pytest.approx(losses(tmp_path / "adapter")[2:], rel=1e-5)
