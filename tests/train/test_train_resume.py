"""A run that is killed goes on to exactly what it would have been."""

import os
import signal
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForImageTextToText, AutoProcessor

from forked_program import execute
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.methods.ddpo import DDPO
from groundtune.methods.mdpo import MDPO
from groundtune.pipeline.train.run import TrainSettings, train
from groundtune.train.log import read_log
from groundtune.train.optim import Optim
from groundtune.train.tune import Full, Lora
from training_folder import fill_folder, fill_several

KILLED = """
import os, signal, sys
from pathlib import Path
from groundtune.pipeline.train.run import TrainSettings, train

class KilledAtStep5:
    task, done = "", 0
    def start(self, task, total=None):
        self.task, self.done = task, 0
    def advance(self, done=1, note=""):
        self.done += done
        if self.task == "train" and self.done == 5:
            os.kill(os.getpid(), signal.SIGKILL)

train(TrainSettings.model_validate_json(sys.argv[1]), Path(sys.argv[2]), KilledAtStep5())
"""


class StopsAtStep5(SilentProgress):
    task, done = "", 0

    def start(self, task: str, total: int | None = None) -> None:
        self.task, self.done = task, 0

    def advance(self, count: int = 1, note: str = "") -> None:
        self.done += count
        if self.task == "train" and self.done == 5:
            raise KeyboardInterrupt


@pytest.fixture
def params(tiny_llava: Path, tmp_path: Path) -> TrainSettings:
    return TrainSettings(
        model=str(tiny_llava),
        pairs=fill_folder(tmp_path / "pairs", 10).path,
        method=DDPO(reduce="sum", gamma=2, beta=0.1),
        tune=Lora(r=4, dropout=0.3),
        optim=Optim(lr=1e-3),
        epochs=2,
        batch_size=3,
        micro_batch=2,
        dtype="float32",
        save_every=2,
    )


def metrics(out: Path) -> list[dict[str, float]]:
    lines = read_log(out / "log.jsonl")
    timed = {"seconds", "tokens_per_second"}
    return [{k: v for k, v in line.items() if k not in timed} for line in lines]


def weights(path: Path) -> bytes:
    return next(path.glob("*.safetensors")).read_bytes()


def test_after_kill_9_a_lora_with_dropout_resumes_bit_by_bit(params: TrainSettings, tmp_path: Path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(params, whole, SilentProgress())
    assert execute(KILLED, params.model_dump_json(), killed) == -signal.SIGKILL
    assert [path.name for path in (killed / "checkpoints").iterdir()] == ["step-000004"]
    assert [line["step"] for line in metrics(killed)] == [1, 2, 3, 4, 5]
    assert not (killed / "model").exists()
    train(params, killed, SilentProgress())
    assert metrics(killed) == metrics(whole)
    assert weights(killed / "model") == weights(whole / "model")


def test_a_stopped_full_training_resumes_bit_by_bit(params: TrainSettings, tmp_path: Path):
    full = params.model_copy(update={"tune": Full(parts=("language_model", "projector"))})
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(full, whole, SilentProgress())
    with pytest.raises(KeyboardInterrupt):
        train(full, stopped, StopsAtStep5())
    train(full, stopped, SilentProgress())
    assert metrics(stopped) == metrics(whole)
    assert weights(stopped / "model") == weights(whole / "model")


def test_a_stopped_run_with_prompts_of_six_pairs_and_a_view_resumes_bit_by_bit(
    params: TrainSettings, tmp_path: Path
):
    several = params.model_copy(
        update={
            "pairs": fill_several(tmp_path / "several").path,
            "method": MDPO(corruption="noise"),
            "batch_size": 4,
            "micro_tokens": 200,
        }
    )
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(several, whole, SilentProgress())
    with pytest.raises(KeyboardInterrupt):
        train(several, stopped, StopsAtStep5())
    train(several, stopped, SilentProgress())
    assert metrics(stopped) == metrics(whole)
    assert weights(stopped / "model") == weights(whole / "model")


def test_ctrl_c_saves_the_current_step(params: TrainSettings, tmp_path: Path):
    class CtrlCAtStep3(StopsAtStep5):
        def advance(self, count: int = 1, note: str = "") -> None:
            self.done += count
            if self.task == "train" and self.done == 3:
                os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    rare = params.model_copy(update={"save_every": 100})
    with pytest.raises(KeyboardInterrupt):
        train(rare, tmp_path / "stopped", CtrlCAtStep3())
    assert signal.getsignal(signal.SIGINT) is before
    assert [path.name for path in (tmp_path / "stopped/checkpoints").iterdir()] == ["step-000003"]
    train(rare, tmp_path / "stopped", SilentProgress())
    train(rare, tmp_path / "whole", SilentProgress())
    assert metrics(tmp_path / "stopped") == metrics(tmp_path / "whole")


def test_a_finished_run_does_not_change(params: TrainSettings, tmp_path: Path):
    train(params, tmp_path / "out", SilentProgress())
    before = metrics(tmp_path / "out"), weights(tmp_path / "out/model")
    train(params, tmp_path / "out", StopsAtStep5())
    assert (metrics(tmp_path / "out"), weights(tmp_path / "out/model")) == before


def test_a_folder_with_another_run_is_refused_and_left_alone(params: TrainSettings, tmp_path: Path):
    train(params, tmp_path / "out", SilentProgress())
    before = (tmp_path / "out/run.json").read_bytes()
    for change in ({"seed": 1}, {"method": DDPO()}, {"batch_size": 5}):
        with pytest.raises(UserError, match="other settings, data or another"):
            train(params.model_copy(update=change), tmp_path / "out", SilentProgress())
    assert (tmp_path / "out/run.json").read_bytes() == before


def test_old_checkpoints_and_leftovers_of_a_killed_writer_are_removed(
    params: TrainSettings, tmp_path: Path
):
    left = tmp_path / "out/checkpoints/.step-000002.1.tmp"
    left.mkdir(parents=True)
    train(params.model_copy(update={"keep": 2}), tmp_path / "out", SilentProgress())
    found = sorted(path.name for path in (tmp_path / "out/checkpoints").iterdir())
    assert found == ["step-000006", "step-000008"]


def test_results_load_with_plain_transformers_and_peft(params: TrainSettings, tmp_path: Path):
    merged = train(params.model_copy(update={"merge": True}), tmp_path / "lora", SilentProgress())
    assert merged == tmp_path / "lora/merged"
    base = AutoModelForImageTextToText.from_pretrained(params.model)
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        untuned = base(input_ids=ids).logits
        adapted = PeftModel.from_pretrained(base, tmp_path / "lora/model")(input_ids=ids).logits
        plain = AutoModelForImageTextToText.from_pretrained(merged)(input_ids=ids).logits
    assert float((adapted - untuned).abs().max()) > 1e-3
    assert torch.allclose(adapted, plain, atol=1e-5)
    assert AutoProcessor.from_pretrained(merged).chat_template

    full = params.model_copy(update={"tune": Full()})
    tuned = AutoModelForImageTextToText.from_pretrained(
        train(full, tmp_path / "full", SilentProgress())
    )
    checkpoint = next((tmp_path / "full/checkpoints").iterdir())
    same = AutoModelForImageTextToText.from_pretrained(checkpoint)
    for one, other in zip(tuned.parameters(), same.parameters(), strict=True):
        assert torch.equal(one, other)
