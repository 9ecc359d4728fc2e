"""Runs of one study share what the model says before training, and have the same results."""

from pathlib import Path
from typing import Any

from groundtune.pipeline.rl.metrics import scores_of
from groundtune.pipeline.rl.run import rl
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.records import Score
from groundtune.store.dataset import RecordSet
from groundtune.train.log import read_log


def settings_of(**changes: Any) -> RLSettings:
    settings: dict[str, object] = {
        "model": "world:base",
        "prompts": "world:6",
        "device": "cpu",
        "n": 2,
        "prompts_per_step": 3,
        "steps": 1,
        "sampling": {"max_new_tokens": 48},
        "feedback": {"labeler": "self", "divider": "world"},
        "held_out": 4,
        "eval_every": 1,
        "tune": {"type": "full"},
    }
    return RLSettings.model_validate(settings | changes)


def log_of(out: Path) -> list[dict[str, float]]:
    return [
        {name: value for name, value in line.items() if not name.startswith("seconds")}
        for line in read_log(out / "log.jsonl")
    ]


def weights(out: Path) -> bytes:
    return (out / "model" / "model.safetensors").read_bytes()


def test_runs_that_share_have_the_results_of_one_that_does_not(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    alone, first, second = (tmp_path / name for name in ("alone", "first", "second"))
    rl(settings_of(), alone, SilentProgress())
    for out in (first, second):
        rl(settings_of(), out, SilentProgress(), reference_folder=shared)
    assert len(list(shared.iterdir())) == 2  # answers, and scores of held-out prompts
    for out in (first, second):
        assert log_of(out) == log_of(alone)
        assert weights(out) == weights(alone)
        assert RunFolder(out).answers.read() == RunFolder(alone).answers.read()
        assert RunFolder(out).claims.read() == RunFolder(alone).claims.read()
        assert scores_of(out).read() == scores_of(alone).read()


def test_what_is_shared_is_used_by_runs_that_differ_in_other_settings_alone(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    rl(settings_of(), tmp_path / "first", SilentProgress(), reference_folder=shared)
    [stored] = [RecordSet(path, Score) for path in shared.glob("*/scores")]
    marked = [s.model_copy(update={"values": {**s.values, "words": 99.0}}) for s in stored.read()]
    for part in stored.parts():
        part.unlink()
    stored.append(marked)

    def words(out: Path, **changes: Any) -> float:
        rl(settings_of(**changes), out, SilentProgress(), reference_folder=shared)
        return log_of(out)[0]["held_out/words"]

    assert words(tmp_path / "same", optim={"lr": 2e-5}, rewards={"coverage": 2.0}) == 99
    assert words(tmp_path / "longer", sampling={"max_new_tokens": 40}) != 99
