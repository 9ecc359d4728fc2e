"""A checkpoint is whole or absent, also on a full disk."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from flips import flipped
from groundtune.errors import UserError
from groundtune.store.checksums import NAME
from groundtune.train.checkpoint import Checkpoints, State, random_state, write_model
from groundtune.train.log import JsonlLog, read_log
from groundtune.train.optim import Optim, adamw
from groundtune.train.parallel import FullState
from groundtune.vlm.load import Vlm, load


@contextmanager
def largest_file(limit: int) -> Iterator[None]:
    """Writing beyond `limit` bytes of a file fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture
def vlm(tiny_llava: Path) -> Vlm:
    return load(str(tiny_llava))


def stepped(vlm: Vlm) -> torch.optim.Optimizer:
    """An optimiser with a state."""
    optimizer = adamw(vlm.model.parameters(), Optim(lr=1e-3))
    vlm.model.lm_head.weight.square().sum().backward()
    optimizer.step()
    return optimizer


def kept(optimizer: torch.optim.Optimizer, step: int) -> State:
    return State(FullState(None, optimizer.state_dict()), step, [random_state()])


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("limit", [500, 100_000])
def test_on_a_full_disk_the_last_checkpoint_stays_and_nothing_is_half_written(
    vlm: Vlm, tmp_path: Path, limit: int
):
    checkpoints = Checkpoints(tmp_path / "c", {"seed": "0"}, 1)
    optimizer = stepped(vlm)
    checkpoints.save(vlm, kept(optimizer, 1))
    before = contents(tmp_path)
    with largest_file(limit), pytest.raises(UserError, match=r"full|written"):
        checkpoints.save(vlm, kept(optimizer, 2))
    assert contents(tmp_path) == before
    assert checkpoints.restore(vlm, optimizer) == 1


def test_restoring_loads_weights_optimiser_and_random_state(vlm: Vlm, tmp_path: Path):
    checkpoints = Checkpoints(tmp_path / "c", {"seed": "0"}, 1)
    optimizer = stepped(vlm)
    checkpoints.save(vlm, kept(optimizer, 7))
    weights = vlm.model.lm_head.weight.detach().clone()
    moment = optimizer.state[vlm.model.lm_head.weight]["exp_avg"].clone()
    drawn = torch.rand(3)
    with torch.no_grad():
        vlm.model.lm_head.weight.zero_()
    optimizer.step()
    assert checkpoints.restore(vlm, optimizer) == 7
    assert torch.equal(vlm.model.lm_head.weight, weights)
    assert torch.equal(optimizer.state[vlm.model.lm_head.weight]["exp_avg"], moment)
    assert torch.equal(torch.rand(3), drawn)


def test_another_runs_checkpoint_is_refused(vlm: Vlm, tmp_path: Path):
    optimizer = stepped(vlm)
    Checkpoints(tmp_path / "c", {"seed": "0"}, 1).save(vlm, kept(optimizer, 1))
    with pytest.raises(UserError, match="other settings"):
        Checkpoints(tmp_path / "c", {"seed": "1"}, 1).check()


def test_a_log_resumes_after_its_last_valid_step(tmp_path: Path):
    log = JsonlLog(tmp_path / "log.jsonl")
    for step in (1, 2, 3):
        log.log(step, {"loss": step / 10})
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    assert [line["step"] for line in read_log(tmp_path / "log.jsonl")] == [1, 2, 3]
    JsonlLog(tmp_path / "log.jsonl", step=2).log(3, {"loss": 0.5})
    assert [line["loss"] for line in read_log(tmp_path / "log.jsonl")] == [0.1, 0.2, 0.5]


def test_a_log_that_lost_a_step_does_not_resume(tmp_path: Path):
    log = JsonlLog(tmp_path / "log.jsonl")
    for step in (1, 2, 3):
        log.log(step, {"loss": step / 10})
    path = tmp_path / "log.jsonl"
    path.write_bytes(path.read_bytes()[:-1] + b"\x0b")  # a flipped bit of the last line's end
    assert [line["step"] for line in read_log(path)] == [1, 2]
    with pytest.raises(UserError, match="no line of step 3"):
        JsonlLog(path, step=3)
    path.unlink()
    JsonlLog(path, step=3).log(4, {"loss": 0.4})
    JsonlLog(path, step=4)


def test_a_damaged_checkpoint_is_an_error_that_names_it(vlm: Vlm, tmp_path: Path):
    checkpoints = Checkpoints(tmp_path / "c", {"seed": "0"}, 1)
    optimizer = stepped(vlm)
    checkpoints.save(vlm, kept(optimizer, 1))
    (state,) = (tmp_path / "c").rglob("trainer_state.pt")
    whole = state.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"no checkpoint"):
        state.write_bytes(damaged)
        with pytest.raises(UserError, match="damaged"):
            checkpoints.check()


def test_no_flipped_bit_of_a_checkpoint_is_restored(vlm: Vlm, tmp_path: Path):
    checkpoints = Checkpoints(tmp_path / "c", {"seed": "0"}, 2)
    optimizer = stepped(vlm)
    for step in (1, 2):
        newest = checkpoints.save(vlm, kept(optimizer, step))
    for path in sorted(newest.iterdir()):
        for _ in flipped(path, 5):
            with pytest.raises(UserError) as error:
                checkpoints.restore(vlm, optimizer)
            assert error.value.where.startswith(str(newest))
            if path.name != NAME:
                assert error.value.where == str(path)
                assert error.value.fix.endswith("the run then resumes from step-000001.")
            with pytest.raises(UserError):
                load(str(newest))
    assert checkpoints.restore(vlm, optimizer) == 2


def test_files_of_a_model_follow_the_umask(vlm: Vlm, tmp_path: Path):
    write_model(vlm, tmp_path / "model")
    (tmp_path / "new").touch()
    modes = {path.name: path.stat().st_mode for path in (tmp_path / "model").iterdir()}
    assert set(modes.values()) == {(tmp_path / "new").stat().st_mode}, modes


def test_checkpoints_are_in_the_order_of_their_steps_past_a_million(tmp_path: Path):
    for step in (999_999, 1_000_000, 2):
        (tmp_path / f"step-{step:06d}").mkdir()
    (tmp_path / "step-old").mkdir()
    assert [path.name for path in Checkpoints(tmp_path, {}, 1).paths()] == [
        "step-000002",
        "step-999999",
        "step-1000000",
    ]
