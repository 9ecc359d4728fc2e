"""A run that is killed by the system in the middle of a step ends as if it had not been."""

import signal
from pathlib import Path

import pytest

from forked_program import execute
from groundtune.pipeline.rl.run import rl
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.protocols import SilentProgress
from groundtune.train.log import read_log
from rl_folder import Killed, Letters, prompt_rows, recipe

KILLED = """
import os, signal, sys
from pathlib import Path
from groundtune.pipeline.rl.run import rl
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.protocols import SilentProgress
from rl_folder import Letters

class Killed(Letters):
    steps = 0
    def reward(self, prompts, answers):
        self.steps += 1
        if self.steps == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().reward(prompts, answers)

settings = RLSettings.model_validate_json(sys.argv[1])
rl(settings, Path(sys.argv[2]), SilentProgress(), rewarders={"letters": Killed()})
"""
TIMES = ("seconds", "second")


def lines(out: Path) -> list[dict[str, float]]:
    """The log without what the clock decides."""
    return [
        {name: value for name, value in line.items() if not name.startswith(TIMES)}
        for line in read_log(out / "log.jsonl")
    ]


def test_a_run_that_is_rewarded_by_claims_resumes_as_well(tmp_path: Path) -> None:
    settings = RLSettings.model_validate(
        {
            "model": "world:base",
            "prompts": "world:4",
            "device": "cpu",
            "n": 2,
            "prompts_per_step": 2,
            "steps": 3,
            "sampling": {"max_new_tokens": 48},
            "feedback": {"labeler": "self", "divider": "world"},
            "rewards": {"more": {"letters": 0.1}},
            "tune": {"type": "full"},
            "held_out": 2,
            "eval_every": 1,
            "save_every": 1,
        }
    )
    out = tmp_path / "killed"
    with pytest.raises(KeyboardInterrupt):
        rl(settings, out, SilentProgress(), rewarders={"letters": Killed(1)})
    for folder in (tmp_path / "whole", out, out):
        rl(settings, folder, SilentProgress(), rewarders={"letters": Letters()})
    assert lines(out) == lines(tmp_path / "whole")
    killed, whole = (
        (folder / "model" / "model.safetensors").read_bytes()
        for folder in (out, tmp_path / "whole")
    )
    assert killed == whole


def test_after_kill_9_a_run_resumes_bit_by_bit(tiny_llava: Path, tmp_path: Path) -> None:
    asked = prompt_rows(tmp_path / "asked")
    settings = recipe(tiny_llava, asked, steps=5, method={"type": "ppo"}, held_out=0)
    out = tmp_path / "killed"
    assert execute(KILLED, settings.model_dump_json(), out) == -signal.SIGKILL
    assert len(lines(out)) == 3  # it was in step 4, and its checkpoint is of step 2
    drawn = sorted(path.name for path in (out / "rollouts").iterdir())
    assert drawn == [f"step-00000{n}" for n in (1, 2, 3, 4)]
    for folder in (tmp_path / "whole", out):
        rl(settings, folder, SilentProgress(), rewarders={"letters": Letters()})
    assert lines(out) == lines(tmp_path / "whole")
    [killed], [whole] = (
        list((folder / "model").glob("*.safetensors")) for folder in (out, tmp_path / "whole")
    )
    assert killed.read_bytes() == whole.read_bytes()
