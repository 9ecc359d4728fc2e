"""A reward model that is a LoRA on the policy's base shares its weights, and changes nothing."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]

from groundtune.errors import UserError
from groundtune.pipeline.reward.model import RewardModel, load_reward_model
from groundtune.pipeline.reward.run import train_reward
from groundtune.pipeline.reward.spec import NAME, read_spec
from groundtune.pipeline.rl.memory import noted_line, why_no_base
from groundtune.pipeline.rl.plan import plan_rl
from groundtune.pipeline.rl.policy import LoadedModels, load_models, tuned
from groundtune.pipeline.rl.run import rl
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import Rewarder, SilentProgress
from groundtune.records import Prompt
from groundtune.train.log import read_log
from reward_folder import adapter_for, fill_compared, settings_for
from rl_folder import NO_CLAIMS, Killed, Letters, prompt_rows, recipe

LORA = {"type": "lora", "r": 4, "dropout": 0.0}


@pytest.fixture(scope="module")
def adapter(tiny_llava: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapter_for(tiny_llava, tmp_path_factory.mktemp("reward"))


def settings_of(model: Path, asked: Path, reward: Path | str, **changes: object) -> RLSettings:
    settings: dict[str, object] = {
        "tune": LORA,
        "rewards": {**NO_CLAIMS, "more": {str(reward): 1.0}},
        "optim": {"lr": 1e-2},
        "held_out": 0,
        "eval_every": 0,
        "save_every": 1,
        "steps": 3,
    }
    return recipe(model, asked, **(settings | changes))


def asked_and_said(folder: Path) -> tuple[list[Prompt], list[str]]:
    """Prompts with answers of several lengths; images are in the folder."""
    compared = fill_compared(folder, prompts=6)
    prompts = compared.prompts_by_key()
    answers = compared.answers.read()
    return [prompts[each.prompt] for each in answers], [each.text for each in answers]


def opened(settings: RLSettings, out: Path) -> tuple[LoadedModels, RewardModel]:
    models = load_models(settings, out, {})
    [model] = models.rewards.models.values()
    return models, model


def test_rewards_are_those_of_a_model_of_its_own_also_while_the_policy_learns(
    tiny_llava: Path, adapter: Path, tmp_path: Path
) -> None:
    prompts, texts = asked_and_said(tmp_path)
    expected = load_reward_model(adapter, RunFolder(tmp_path).images).reward(prompts, texts)
    settings = settings_of(tiny_llava, tmp_path / "p", adapter)
    models, shared = opened(settings, tmp_path)
    assert shared.reward(prompts, texts) == pytest.approx(expected, abs=1e-5)
    policy = tuned(settings, models.policy).model
    trained = [weight for weight in policy.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.1)
    for _ in range(3):
        for weight in trained:
            weight.grad = torch.randn_like(weight)
        optimizer.step()
        assert shared.reward(prompts, texts) == pytest.approx(expected, abs=1e-5)
    with policy.disable_adapter():
        assert shared.reward(prompts, texts) == pytest.approx(expected, abs=1e-5)
    assert len(set(expected)) > 3


def test_only_adapter_and_head_are_in_memory_beside_the_base(
    tiny_llava: Path, adapter: Path, tmp_path: Path
) -> None:
    settings = settings_of(tiny_llava, tmp_path / "p", adapter)
    models, shared = opened(settings, tmp_path)
    places = {weight.data_ptr() for weight in models.policy.model.parameters()}
    added = [
        weight.numel()
        for module in (shared.vlm.model, shared.values)
        for weight in module.parameters()
        if weight.data_ptr() not in places
    ]
    files = (load_file(adapter / f"{name}.safetensors") for name in ("adapter_model", "head"))
    assert sum(added) == sum(weight.numel() for file in files for weight in file.values())


def run(settings: RLSettings, out: Path, **rewarders: Rewarder) -> list[dict[str, Any]]:
    """Run and return the log's lines, without times and the names of rewards."""
    rl(settings, out, SilentProgress(), rewarders=rewarders)
    left_out = ("seconds", "reward/")
    return [
        {name: value for name, value in line.items() if not name.startswith(left_out)}
        for line in read_log(out / "log.jsonl")
    ]


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model" / "adapter_model.safetensors")


@pytest.mark.parametrize("method", [{"type": "ppo"}, {"type": "rloo"}])
def test_a_run_learns_the_same_with_a_shared_base(
    method: dict[str, object], tiny_llava: Path, adapter: Path, tmp_path: Path
) -> None:
    asked = prompt_rows(tmp_path / "asked")
    start = {"value_from": str(adapter)} if method["type"] == "ppo" else {}
    shared = settings_of(tiny_llava, asked, adapter, method=method, **start)
    apart = settings_of(tiny_llava, asked, "apart", method=method, **start)
    own = load_reward_model(adapter, RunFolder(tmp_path / "apart").images)
    expected = run(apart, tmp_path / "apart", apart=own)
    for line, other in zip(run(shared, tmp_path / "shared"), expected, strict=True):
        assert line == pytest.approx(other, abs=1e-5)
    theirs = weights(tmp_path / "apart")
    for name, weight in weights(tmp_path / "shared").items():
        torch.testing.assert_close(weight, theirs[name], atol=1e-5, rtol=1e-4)


def test_a_stopped_run_resumes_with_a_shared_base(
    tiny_llava: Path, adapter: Path, tmp_path: Path
) -> None:
    asked = prompt_rows(tmp_path / "asked")
    more = {**NO_CLAIMS, "more": {str(adapter): 1.0, "letters": 0.1}}
    settings = settings_of(tiny_llava, asked, adapter, rewards=more)
    with pytest.raises(KeyboardInterrupt):
        run(settings, tmp_path / "out", letters=Killed(2))
    lines = run(settings, tmp_path / "out", letters=Letters())
    assert lines == run(settings, tmp_path / "whole", letters=Letters())
    whole = weights(tmp_path / "whole")
    assert all(torch.equal(w, whole[name]) for name, w in weights(tmp_path / "out").items())


def test_plan_and_record_say_who_shares_what_and_the_memory_of_each(
    tiny_llava: Path, adapter: Path, tmp_path: Path
) -> None:
    asked = prompt_rows(tmp_path / "asked")
    full = train_reward(
        settings_for(tiny_llava, fill_compared(tmp_path / "compared").path),
        tmp_path / "full",
        SilentProgress(),
    ).model
    both = {**NO_CLAIMS, "more": {str(adapter): 1.0, str(full): 1.0}}
    settings = settings_of(
        tiny_llava, asked, adapter, rewards=both, method={"type": "ppo"}, steps=1
    )
    plan = plan_rl(settings, SilentProgress())
    run(settings, tmp_path / "out")
    assert plan.models == noted_line(tmp_path / "out")
    assert plan.models in (tmp_path / "out" / "report.html").read_text().replace("&#x27;", "'")
    on_base, own = plan.models.split("; ")
    assert on_base.startswith("policy ")
    assert "on its base reference +0.0 MB, values +" in on_base
    assert f"reward {adapter} +" in on_base
    assert own.startswith(f"reward {full} ")
    assert own.endswith("(its folder has full weights)")
    few = settings_of(tiny_llava, asked, adapter, method={"type": "ppo"})
    more = plan.memory_gb - plan_rl(few, SilentProgress()).memory_gb
    size = sum(w.numel() * 4 for w in load_file(full / "model.safetensors").values())
    assert more * 1e9 == pytest.approx(size, abs=1.1e6)  # both are given to a thousandth of a GB


def test_a_plan_refuses_a_reward_model_that_is_at_chance_or_damaged(
    tiny_llava: Path, adapter: Path, tmp_path: Path
) -> None:
    asked = prompt_rows(tmp_path / "asked")
    copied = shutil.copytree(adapter, tmp_path / "copied")
    settings = settings_of(tiny_llava, asked, copied)
    spec = read_spec(copied)
    chance = spec.accuracy.model_copy(update={"low": 0.4})
    guess = spec.model_copy(update={"accuracy": chance})
    (copied / NAME).write_text(guess.model_dump_json())
    with pytest.raises(UserError, match="The reward model is at chance"):
        plan_rl(settings, SilentProgress())
    (copied / NAME).write_text(spec.model_dump_json())
    (copied / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="The weights can't be read"):
        plan_rl(settings, SilentProgress())


def test_a_base_is_shared_only_where_it_is_the_same_and_stays(
    tiny_llava: Path, adapter: Path, tmp_path: Path
) -> None:
    def why(policy: Path = tiny_llava, **changes: object) -> str:
        settings = settings_of(policy, tmp_path / "p", adapter, **changes)
        models, model = opened(settings, tmp_path)
        [reason] = models.rewards.why_apart.values()
        base = models.frozen or models.policy
        places = {weight.data_ptr() for weight in base.model.parameters()}
        used = {weight.data_ptr() for weight in model.vlm.model.parameters()}
        assert places.isdisjoint(used) == bool(reason)
        return reason

    full = {"type": "full"}
    assert why() == ""
    assert why(tune=full) == ""  # with the reference's copy
    free = {"type": "rloo", "kl": {"coefficient": 0}}
    assert why(tune=full, method=free) == "all weights of the policy are trained"
    assert why(dtype="bfloat16") == "its weights are float32, the policy's bfloat16"
    copied = shutil.copytree(tiny_llava, tmp_path / "copied")
    assert why(copied) == ""
    numbers = load_file(copied / "model.safetensors")
    save_file({name: 2 * n for name, n in numbers.items()}, copied / "model.safetensors")
    assert why(copied) == f"it was trained from other weights, {tiny_llava}"
    quantised = settings_of(
        tiny_llava, tmp_path / "p", adapter, tune={"type": "qlora", "dropout": 0.0}
    )
    assert why_no_base(quantised) == "the policy's weights are in 4 bits"
