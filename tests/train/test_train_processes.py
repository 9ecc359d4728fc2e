"""Two processes train as one does: the same losses, weights and resumed steps, copied or cut."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from groundtune.cli.progress import SilentProgress
from groundtune.pipeline.train import TrainParams, train
from training_folder import fill_several

LAUNCHED = """
import sys
from pathlib import Path
import torch
from groundtune.cli.progress import SilentProgress
from groundtune.pipeline.train import TrainParams, train
torch.set_num_threads(1)
for line, out in zip(sys.argv[1::2], sys.argv[2::2]):
    train(TrainParams.model_validate_json(line), Path(out), SilentProgress())
torch.distributed.destroy_process_group()
"""


def recipe(model: Path, pairs: Path, **changes: object) -> TrainParams:
    settings: dict[str, object] = {
        "model": str(model),
        "pairs": str(pairs),
        "method": {"type": "ddpo", "reduce": "sum", "gamma": 3, "beta": 0.2},
        "tune": {"type": "full"},
        "optim": {"lr": 1e-4, "warmup": 0},
        "epochs": 2,
        "batch_size": 7,
        "micro_batch": 3,
        "dtype": "float32",
        "device": "cpu",
        "save_every": 2,
    }
    return TrainParams.model_validate(settings | changes)


def launch(*runs: tuple[TrainParams, Path]) -> None:
    """Runs, one after the other, in two processes that speak gloo."""
    arguments = [part for params, out in runs for part in (params.model_dump_json(), str(out))]
    command = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "--no-python"]
    done = subprocess.run(
        [sys.executable, "-m", *command, sys.executable, "-c", LAUNCHED, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def losses(out: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (out / "log.jsonl").read_text().splitlines()]


def weights(out: Path) -> dict[str, torch.Tensor]:
    [file] = (out / "model").glob("*.safetensors")
    return load_file(file)


def assert_the_same(out: Path, alone: Path) -> None:
    assert losses(out) == pytest.approx(losses(alone), rel=1e-5)
    expected, found = weights(alone), weights(out)
    assert set(found) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_two_processes_train_as_one_does_with_weights_copied_or_cut(
    tiny_llava: Path, tmp_path: Path
) -> None:
    pairs = fill_several(tmp_path / "pairs").path
    whole = recipe(tiny_llava, pairs)
    adapter = recipe(tiny_llava, pairs, tune={"type": "lora", "dropout": 0})
    for name, params in (("whole", whole), ("adapter", adapter)):
        train(params, tmp_path / name, SilentProgress())
    launch(
        (whole, tmp_path / "whole-copied"),
        (whole.model_copy(update={"shard": True}), tmp_path / "whole-cut"),
        (adapter.model_copy(update={"shard": True}), tmp_path / "adapter-cut"),
    )
    assert_the_same(tmp_path / "whole-copied", tmp_path / "whole")
    assert_the_same(tmp_path / "whole-cut", tmp_path / "whole")
    assert_the_same(tmp_path / "adapter-cut", tmp_path / "adapter")


@pytest.mark.slow
def test_two_processes_go_on_exactly_where_they_stopped(tiny_llava: Path, tmp_path: Path) -> None:
    pairs = fill_several(tmp_path / "pairs").path
    params = recipe(tiny_llava, pairs, tune={"type": "lora", "dropout": 0.2}, keep=9, shard=True)
    once, again = tmp_path / "once", tmp_path / "again"
    launch((params, once))
    shutil.copytree(once / "checkpoints" / "step-000002", again / "checkpoints" / "step-000002")
    launch((params, again))
    assert losses(again) == losses(once)[2:]
    assert all(torch.equal(weights(again)[name], own) for name, own in weights(once).items())
