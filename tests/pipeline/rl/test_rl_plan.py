"""What a run would take, without its weights: counted against what it takes."""

import shutil
from pathlib import Path

import pytest

from groundtune.errors import UserError
from groundtune.pipeline.rl.plan import plan_rl
from groundtune.pipeline.rl.policy import load_policy, tuned
from groundtune.pipeline.rl.run import rl
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.protocols import SilentProgress
from groundtune.store.dataset import RecordSet
from groundtune.train.rollout import Rollout
from rl_folder import NO_CLAIMS, Letters, prompt_rows, recipe

LETTERS = {**NO_CLAIMS, "missing_end": 1.0}
LORA = {"type": "lora", "r": 4, "dropout": 0.0}


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        ({}, 2),  # reference and update
        ({"tune": LORA}, 2),
        ({"method": {"type": "ppo"}, "passes": 2}, 4),  # reference, values, two updates
        ({"method": {"type": "rloo", "kl": {"coefficient": 0.0}}}, 1),
    ],
)
def test_a_plan_counts_what_a_run_then_takes(
    changes: dict[str, object], passes: int, tiny_llava: Path, tmp_path: Path
) -> None:
    asked = prompt_rows(tmp_path / "asked", 8)
    settings = recipe(tiny_llava, asked, rewards=LETTERS, **changes)
    plan = plan_rl(settings, SilentProgress())
    assert (plan.prompts, plan.held_out, plan.steps, plan.answers_per_step) == (6, 2, 4, 12)
    assert plan.passes_per_step == passes
    model = tuned(settings, load_policy(settings)).model
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    assert plan.trained_weights == sum(n for n, trained in sizes if trained)
    copies = 2 if settings.tune.type == "full" and settings.method.kl.coefficient else 1
    assert plan.weights == copies * sum(n for n, _ in sizes)
    assert plan.memory_gb * 1e9 > 4 * plan.weights - 5e5  # given to a thousandth of a GB
    assert plan.tokens_per_step_max == 3 * plan.prompt_tokens + 12 * plan.answer_tokens_max


def test_a_plan_has_the_tokens_of_the_prompts_that_are_drawn_from(
    tiny_llava: Path, tmp_path: Path
) -> None:
    asked = prompt_rows(tmp_path / "asked", 8)
    more = {**LETTERS, "more": {"letters": 1.0}}
    settings = recipe(tiny_llava, asked, rewards=LETTERS, steps=1)
    plan = plan_rl(settings, SilentProgress())
    run = recipe(tiny_llava, asked, rewards=more, steps=1)
    rl(run, tmp_path / "out", SilentProgress(), rewarders={"letters": Letters()})
    rollouts = RecordSet(tmp_path / "out" / "rollouts" / "step-000001", Rollout).read()
    assert {len(each.prompt_ids) for each in rollouts} == {plan.prompt_tokens}
    assert max(len(each.answer_ids) for each in rollouts) <= plan.answer_tokens_max


def test_a_plan_loads_no_weights_and_refuses_what_the_run_refuses(
    tiny_llava: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(tiny_llava, tmp_path / "model")
    (model / "model.safetensors").write_bytes(b"")  # what nobody could load
    asked = prompt_rows(tmp_path / "asked", 8)

    def plan(**rewards: object) -> int:
        settings = recipe(model, asked, rewards={**LETTERS, **rewards})
        return plan_rl(settings, SilentProgress()).prompts

    assert plan() == 6
    with pytest.raises(UserError, match="no reward 'nowhere'"):
        plan(more={"nowhere": 1})
    with pytest.raises(UserError, match="has an answer key"):
        plan(symbolic=1)


def test_a_plan_about_scenes_makes_only_a_few(caplog: pytest.LogCaptureFixture) -> None:
    settings = RLSettings.model_validate(
        {"model": "world:base", "prompts": "world:5000", "prompts_per_step": 64, "device": "cpu"}
    )
    plan = plan_rl(settings, SilentProgress())
    assert (plan.prompts, plan.held_out, plan.answers_per_step) == (5000, 100, 512)
    assert caplog.text == ""
