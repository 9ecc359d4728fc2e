"""Two processes train as one does: the same losses, weights and resumed steps, copied or cut."""

import shutil
from pathlib import Path

import pytest
import torch

from groundtune.cli.progress import SilentProgress
from groundtune.pipeline.train import train
from several_processes import assert_the_same, launch, lines, losses, recipe, scored, weights
from training_folder import fill_several


@pytest.mark.slow
def test_two_processes_train_evaluate_and_go_on_as_one_does_with_weights_copied_or_cut(
    tiny_llava: Path, tmp_path: Path
) -> None:
    pairs = fill_several(tmp_path / "pairs").path
    whole = recipe(tiny_llava, pairs, eval_every=2)
    adapter = recipe(tiny_llava, pairs, tune={"type": "lora", "dropout": 0})
    random = recipe(tiny_llava, pairs, tune={"type": "lora", "dropout": 0.2}, keep=9, shard=True)
    for name, params in (("whole", whole), ("adapter", adapter)):
        train(params, tmp_path / name, SilentProgress(), evaluate=scored)
    once, again = tmp_path / "once", tmp_path / "again"
    launch(
        (whole, tmp_path / "whole-copied"),
        (whole.model_copy(update={"shard": True}), tmp_path / "whole-cut"),
        (adapter.model_copy(update={"shard": True}), tmp_path / "adapter-cut"),
        (random, once),
    )
    assert_the_same(tmp_path / "whole-copied", tmp_path / "whole")
    assert_the_same(tmp_path / "whole-cut", tmp_path / "whole")
    assert_the_same(tmp_path / "adapter-cut", tmp_path / "adapter")
    evaluated = lines(tmp_path / "whole-cut", "eval/b/best")
    assert len(set(evaluated)) == len(evaluated) > 1
    # stopped, they go on exactly; an evaluation, which draws numbers too, changes nothing
    shutil.copytree(once / "checkpoints" / "step-000002", again / "checkpoints" / "step-000002")
    launch((random.model_copy(update={"eval_every": 1}), again))
    assert losses(again) == losses(once)[2:]
    assert all(torch.equal(weights(again)[name], own) for name, own in weights(once).items())
