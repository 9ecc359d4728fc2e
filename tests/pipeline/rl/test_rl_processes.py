"""Two processes learn what one does: the same rollouts, rewards, losses and weights."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]

from groundtune.pipeline.rl.memory import noted_line
from groundtune.pipeline.rl.run import rl
from groundtune.protocols import SilentProgress
from groundtune.store.dataset import RecordSet
from groundtune.train.rollout import Rollout
from reward_folder import adapter_for
from rl_folder import NO_CLAIMS, Letters, prompt_rows, recipe
from several_processes import in_two

LAUNCHED = """
import sys
from pathlib import Path
import torch
from groundtune.pipeline.rl.run import rl
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.protocols import SilentProgress
from rl_folder import Letters
torch.set_num_threads(1)
for line, out in zip(sys.argv[1::2], sys.argv[2::2]):
    settings = RLSettings.model_validate_json(line)
    rl(settings, Path(out), SilentProgress(), rewarders={"letters": Letters()})
torch.distributed.destroy_process_group()
"""


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_two_processes_learn_what_one_does(tiny_llava: Path, tmp_path: Path) -> None:
    asked = prompt_rows(tmp_path / "asked", 8)
    reward = adapter_for(tiny_llava, tmp_path / "reward")
    runs = {
        "rloo": recipe(tiny_llava, asked, steps=3, micro_batch=4),
        "ppo": recipe(tiny_llava, asked, steps=3, method={"type": "ppo"}, prompts_per_step=4),
        "shared": recipe(
            tiny_llava,
            asked,
            steps=3,
            method={"type": "ppo"},
            tune={"type": "lora", "r": 4, "dropout": 0.0},
            rewards={**NO_CLAIMS, "more": {"letters": 0.1, str(reward): 1.0}},
        ),
        "claims": recipe(
            Path("world:base"),
            Path("world:6"),
            steps=3,
            images="",
            sampling={"max_new_tokens": 48},
            tune={"type": "lora", "r": 4, "dropout": 0.0},
            feedback={
                "labeler": "self",
                "divider": "world",
                "asking": {"suffix": " Answer yes or no."},
            },
            rewards={"more": {"letters": 0.1}},
        ),
    }
    arguments: list[str] = []
    for name, settings in runs.items():
        rl(settings, tmp_path / name, SilentProgress(), rewarders={"letters": Letters()})
        arguments += [settings.model_dump_json(), str(tmp_path / f"{name}-two")]
    in_two(LAUNCHED, *arguments)
    assert f"reward {reward} +" in noted_line(tmp_path / "shared-two")
    assert "labeler +0.0 MB" in noted_line(tmp_path / "claims-two")
    for name in runs:
        one, two = tmp_path / name, tmp_path / f"{name}-two"
        for step in (1, 2, 3):
            drawn = [
                {r.key: r.answer_ids for r in RecordSet(path, Rollout).read()}
                for path in (each / "rollouts" / f"step-{step:06d}" for each in (one, two))
            ]
            assert drawn[0] == drawn[1]
        for a, b in zip(lines(one), lines(two), strict=True):
            assert a.keys() == b.keys()
            for key in ("reward", "loss", "gradient_norm", "kl", "held_out/words"):
                assert a.get(key, 0) == pytest.approx(b.get(key, 0), rel=1e-4, abs=1e-5), key
        [before], [after] = ((each / "model").glob("*.safetensors") for each in (one, two))
        expected = load_file(before)
        for key, value in load_file(after).items():
            torch.testing.assert_close(value, expected[key], rtol=1e-3, atol=1e-5)
