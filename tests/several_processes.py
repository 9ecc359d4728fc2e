"""Run the trainer in two processes with the gloo backend, and compare the results."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from forked_program import Forked
from groundtune.pipeline.train.run import TrainSettings
from groundtune.protocols import Evaluate
from groundtune.records import Score
from groundtune.vlm.load import Vlm

LAUNCHED = """
import sys
from pathlib import Path
import torch
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.pipeline.train.run import TrainSettings, train
from several_processes import scored
torch.set_num_threads(1)
for line, out in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        train(TrainSettings.model_validate_json(line), Path(out), SilentProgress(), evaluate=scored)
    except UserError as error:
        Path(f"{out}.refused-{torch.distributed.get_rank()}").write_text(error.what)
torch.distributed.barrier()  # one that ends earlier takes the store along, and the other can abort
torch.distributed.destroy_process_group()
"""


def scored(vlm: Vlm) -> Evaluate:
    """Score the model in training; each process runs it a different number of times."""

    def evaluate(step: int) -> list[Score]:
        rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
        ids = torch.tensor([[1, 5, 6, 7]])
        for length in range(1, 3 + rank):
            best = vlm.model(input_ids=ids[:, :length]).logits.log_softmax(-1).max()
        torch.rand(step + rank)
        best = vlm.model(input_ids=ids).logits.log_softmax(-1)[0, -1].max()
        values = {"best": float(best)}
        made = {"key": f"{step}", "item": "i", "image": "x", "model": "m"}
        return [Score(benchmark="b", values=values, **made)]

    return evaluate


def refused(out: Path) -> str:
    """Return the error of a refused run: the same in both processes, before any step."""
    said = {out.with_name(f"{out.name}.refused-{rank}").read_text() for rank in (0, 1)}
    assert not (out / "log.jsonl").exists() or not losses(out)
    [why] = said
    return why


def recipe(model: Path, pairs: Path, **changes: object) -> TrainSettings:
    """Six steps' worth of a tiny model's training, on the CPU."""
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
    return TrainSettings.model_validate(settings | changes)


def in_two(program: str, *arguments: object) -> str:
    """Run a program in two processes that know of each other, as `torchrun --standalone` does.

    Returns their stdout.
    """
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    environment = {
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "WORLD_SIZE": "2",
    }
    both = [Forked(program, *arguments, RANK=rank, LOCAL_RANK=rank, **environment) for rank in "01"]
    assert [each.finish() for each in both] == [0, 0]
    return "".join(each.stdout for each in both)


def launch(*runs: tuple[TrainSettings, Path]) -> str:
    """Run the trainings in sequence in two processes; return their stdout."""
    arguments = [part for params, out in runs for part in (params.model_dump_json(), out)]
    return in_two(LAUNCHED, *arguments)


def lines(out: Path, name: str) -> list[float]:
    """Return a metric of each line of the log that has it."""
    read = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line[name] for line in read if name in line]


def losses(out: Path) -> list[float]:
    """Return the loss of each step."""
    return lines(out, "loss")


def weights(out: Path) -> dict[str, torch.Tensor]:
    """Return the trained weights."""
    [file] = (out / "model").glob("*.safetensors")
    return load_file(file)


def assert_the_same(out: Path, alone: Path) -> None:
    """Compare losses, gradient norms, evaluations and weights, to rounding."""
    for name, tolerance in (("loss", 1e-5), ("gradient_norm", 1e-4), ("eval/b/best", 1e-4)):
        assert lines(out, name) == pytest.approx(lines(alone, name), rel=tolerance), name
    expected, found = weights(alone), weights(out)
    assert set(found) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6)
