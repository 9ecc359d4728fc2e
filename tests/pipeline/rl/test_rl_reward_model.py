"""PPO with a trained reward model: as the reward, and as what its values begin with."""

import shutil
from pathlib import Path

import pytest

from groundtune.errors import UserError
from groundtune.pipeline.reward.run import train_reward
from groundtune.pipeline.rl.run import rl
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.protocols import SilentProgress
from groundtune.train.log import read_log
from reward_folder import fill_compared, settings_for
from rl_folder import NO_CLAIMS, prompt_rows, recipe


@pytest.fixture(scope="module")
def reward_model(tiny_llava: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reward")
    settings = settings_for(tiny_llava, fill_compared(path / "compared").path)
    return train_reward(settings, path / "out", SilentProgress()).model


def settings_of(model: Path, asked: Path, reward_model: Path, **changes: object) -> RLSettings:
    return recipe(
        model,
        asked,
        method={"type": "ppo"},
        rewards={**NO_CLAIMS, "more": {str(reward_model): 1.0}},
        held_out=0,
        eval_every=0,
        save_every=1,
        **changes,
    )


def test_ppo_learns_from_a_reward_model_whose_head_its_values_begin_with(
    tiny_llava: Path, reward_model: Path, tmp_path: Path
) -> None:
    asked = prompt_rows(tmp_path / "asked")
    zeros = settings_of(tiny_llava, asked, reward_model, steps=1)
    started = settings_of(tiny_llava, asked, reward_model, steps=1, value_from=str(reward_model))
    losses: list[float] = []
    for name, settings in (("zeros", zeros), ("started", started)):
        rl(settings, tmp_path / name, SilentProgress())
        [line] = read_log(tmp_path / name / "log.jsonl")
        assert line[f"reward/{reward_model}"] == line["reward"] != 0
        losses.append(line["value_loss"])
    assert losses[0] != losses[1]


def test_a_reward_model_that_was_trained_again_is_not_mixed_into_a_run(
    tiny_llava: Path, reward_model: Path, tmp_path: Path
) -> None:
    copied = shutil.copytree(reward_model, tmp_path / "reward")
    asked = prompt_rows(tmp_path / "asked")
    settings = settings_of(tiny_llava, asked, copied, steps=1)
    rl(settings, tmp_path / "out", SilentProgress())
    rl(settings, tmp_path / "out", SilentProgress())
    shutil.rmtree(copied)
    other = settings_for(tiny_llava, fill_compared(tmp_path / "more", 20).path, seed=1)
    shutil.copytree(train_reward(other, tmp_path / "other", SilentProgress()).model, copied)
    with pytest.raises(UserError, match=f"inputs changed since the run began: reward {copied}"):
        rl(settings, tmp_path / "out", SilentProgress())
