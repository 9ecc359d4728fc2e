"""Reinforcement learning from prompts to a model, on a tiny random model."""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]

from groundtune.errors import UserError
from groundtune.methods.ppo import PPO
from groundtune.pipeline.recipes.registry import shipped
from groundtune.pipeline.rl.run import rl
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.protocols import SilentProgress, SpanReward
from groundtune.recipe_loading import load
from groundtune.records import Prompt
from groundtune.store.dataset import RecordSet
from groundtune.store.run_json import read_run, write_run
from groundtune.train.log import read_log
from groundtune.train.rollout import Rollout
from rl_folder import NO_CLAIMS, Killed, Letters, prompt_rows, recipe


def run(settings: RLSettings, out: Path, rewarder: Any = None) -> list[dict[str, Any]]:
    """Run and return the log's lines of steps."""
    rl(settings, out, SilentProgress(), rewarders={"letters": rewarder or Letters()})
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if "reward" in line]


def weights(out: Path) -> dict[str, torch.Tensor]:
    [file] = (out / "model").glob("*.safetensors")
    return load_file(file)


@pytest.mark.parametrize(
    ("method", "tune"), [("grpo", "full"), ("rloo", "lora"), ("ppo", "full"), ("ppo", "lora")]
)
def test_the_reward_rises_and_drawn_log_probabilities_are_the_trainers(
    method: str, tune: str, tiny_llava: Path, tmp_path: Path
) -> None:
    settings = recipe(
        tiny_llava,
        prompt_rows(tmp_path / "asked"),
        method={"type": method, "kl": {"coefficient": 0.001}},
        tune={"type": tune} | ({"dropout": 0.0, "r": 8} if tune == "lora" else {}),
        optim={"lr": 1e-2 if tune == "lora" else 2e-3},
        steps=12,
        n=8,
        held_out=0,
    )
    steps = run(settings, tmp_path / "out")
    first, last = (sum(line["reward"] for line in part) for part in (steps[:3], steps[-3:]))
    assert last > 1.3 * first
    assert all(line["gap"] <= 1e-5 for line in steps)
    assert steps[0]["kl"] == pytest.approx(0, abs=1e-4)
    assert abs(steps[-1]["kl"]) > 1e-3
    assert all(("value_loss" in line) == (method == "ppo") for line in steps)


def test_rollouts_are_kept_with_all_that_their_use_depends_on(
    tiny_llava: Path, tmp_path: Path
) -> None:
    run(recipe(tiny_llava, prompt_rows(tmp_path / "asked"), steps=2), tmp_path / "out")
    folder = tmp_path / "out" / "rollouts"
    kept = [RecordSet(folder / f"step-{n:06d}", Rollout).read() for n in (1, 2)]
    assert [len(each) for each in kept] == [12, 12]
    assert len({each.key for step in kept for each in step}) == 24
    for each in kept[1]:
        assert len(each.logp) == len(each.answer_ids) <= 12
        assert each.weights.endswith("+1")
        assert each.mode == "raw"
        assert each.images
        assert each.processor
        assert each.prompt_ids


def test_the_log_says_where_a_steps_time_goes(tiny_llava: Path, tmp_path: Path) -> None:
    settings = recipe(tiny_llava, prompt_rows(tmp_path / "asked"), steps=1, eval_every=0)
    [line] = run(settings, tmp_path / "out")
    parts = [line[f"seconds_{part}"] for part in ("draw", "reward", "reference", "update")]
    assert min(parts) >= 0
    assert line["seconds_draw"] > line["seconds_reward"]  # 12 answers, against a count of letters
    assert sum(parts) == pytest.approx(line["seconds"])


@pytest.mark.parametrize("method", ["grpo", "ppo"])
def test_the_fastest_attention_is_measured_once_and_changes_no_result(
    method: str, tiny_llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = prompt_rows(tmp_path / "asked")
    settings = recipe(tiny_llava, asked, steps=2, eval_every=0, method={"type": method})
    dense = run(settings, tmp_path / "dense")
    assert "attention" not in read_run(tmp_path / "dense").notes  # rows are too short to measure
    monkeypatch.setattr("groundtune.pipeline.train.engine.SHORT", 1)
    run(settings, tmp_path / "measured")
    choice = read_run(tmp_path / "measured").notes["attention"]
    assert set(choice["seconds"]) == {"dense", "segments"}
    earlier, notes = read_run(tmp_path / "dense"), {"attention": {"attention": "segments"}}
    (tmp_path / "stored").mkdir()
    write_run(tmp_path / "stored", earlier.recipe, earlier.inputs, {}, [], notes)
    stored = run(settings, tmp_path / "stored")
    assert read_run(tmp_path / "stored").notes["attention"] == notes["attention"]
    for name in ("loss", "gradient_norm", "kl"):
        expected = [line[name] for line in dense]
        assert [line[name] for line in stored] == pytest.approx(expected, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("aggregation", ["token", "sequence", "constant"])
def test_forward_passes_of_any_size_give_one_gradient(
    aggregation: str, tiny_llava: Path, tmp_path: Path
) -> None:
    asked = prompt_rows(tmp_path / "asked")
    values: list[list[float]] = []
    for micro_batch in (1, 5, 64):
        settings = recipe(
            tiny_llava,
            asked,
            steps=2,
            micro_batch=micro_batch,
            held_out=0,
            eval_every=0,
            method={"type": "grpo", "aggregation": aggregation},
        )
        steps = run(settings, tmp_path / str(micro_batch))
        values.append([line[name] for line in steps for name in ("loss", "gradient_norm", "kl")])
    assert values[1] == pytest.approx(values[0], rel=1e-4, abs=1e-6)
    assert values[2] == pytest.approx(values[0], rel=1e-4, abs=1e-6)


def test_a_learning_rate_of_zero_changes_nothing(tiny_llava: Path, tmp_path: Path) -> None:
    settings = recipe(
        tiny_llava,
        prompt_rows(tmp_path / "asked"),
        optim={"lr": 0},
        steps=30,
        prompts_per_step=1,
        eval_every=0,
        save_every=30,
    )
    steps = run(settings, tmp_path / "out")
    assert max(line["gap"] for line in steps) <= 1e-5
    assert max(abs(line["kl"]) for line in steps) <= 1e-4
    before = load_file(tiny_llava / "model.safetensors")
    assert all(
        torch.equal(value, before[name]) for name, value in weights(tmp_path / "out").items()
    )


@pytest.mark.parametrize("method", [{"type": "rloo"}, {"type": "ppo", "kl": {"target": 0.1}}])
def test_a_run_that_was_killed_resumes_to_the_same_next_step(
    method: dict[str, object], tiny_llava: Path, tmp_path: Path
) -> None:
    settings = recipe(tiny_llava, prompt_rows(tmp_path / "asked"), steps=5, method=method)
    whole = run(settings, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(settings, tmp_path / "killed", Killed(3))
    resumed = run(settings, tmp_path / "killed")
    for name in ("reward", "loss", "gradient_norm", "kl", "kl_coefficient", "tokens"):
        assert [line[name] for line in resumed] == [line[name] for line in whole], name
    expected = weights(tmp_path / "whole")
    assert all(torch.equal(v, expected[k]) for k, v in weights(tmp_path / "killed").items())


class Fixed:
    """Gives every answer one value."""

    def __init__(self, value: float) -> None:
        self.value = value

    def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        return [self.value] * len(answers)


class EqualForOne:
    """Rewards the letters, but for answers about one image, which are all worth as much."""

    def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        equal = min(prompt.key for prompt in prompts)
        letters = Letters().reward(prompts, answers)
        return [0.0 if p.key == equal else v for p, v in zip(prompts, letters, strict=True)]


def test_groups_without_variance_are_dropped_and_counted(tiny_llava: Path, tmp_path: Path) -> None:
    settings = recipe(tiny_llava, prompt_rows(tmp_path / "asked"), steps=2)
    steps = run(settings, tmp_path / "out", EqualForOne())
    assert [line["dropped_groups"] for line in steps] == [1, 1]
    assert all(math.isfinite(line["loss"]) for line in steps)


def test_rewards_that_are_not_numbers_are_refused(tiny_llava: Path, tmp_path: Path) -> None:
    settings = recipe(tiny_llava, prompt_rows(tmp_path / "asked"))
    with pytest.raises(UserError, match="12 of 12 answers have no reward"):
        run(settings, tmp_path / "out", Fixed(math.nan))


class SomeLost:
    """Has no reward for one answer in eight."""

    def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        found = Letters().reward(prompts, answers)
        return [math.nan if i % 8 == 0 else value for i, value in enumerate(found)]


def test_a_few_answers_without_a_reward_are_counted_and_not_learnt_from(
    tiny_llava: Path, tmp_path: Path
) -> None:
    settings = recipe(tiny_llava, prompt_rows(tmp_path / "asked"), steps=1)
    [step] = run(settings, tmp_path / "out", SomeLost())
    assert step["unrewarded"] == pytest.approx(2 / 12)
    assert math.isfinite(step["loss"])


def test_a_rewarder_without_a_name_or_a_weight_is_refused(tiny_llava: Path, tmp_path: Path) -> None:
    asked = prompt_rows(tmp_path / "asked")
    settings = recipe(tiny_llava, asked, rewards={"more": {"others": 1.0}})
    with pytest.raises(UserError, match="letters has no weight"):
        run(settings, tmp_path / "a")
    with pytest.raises(UserError, match="no reward 'others'"):
        rl(settings, tmp_path / "b", SilentProgress())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sampling": {"temperature": 0.7}}, "not the policy's"),
        ({"tune": {"type": "lora", "dropout": 0.1}}, "dropout must be 0"),
        ({"method": {"type": "rloo", "kl": {"place": "loss"}}}, "needs kl.place=reward"),
        (
            {
                "rewards": dict.fromkeys(
                    ("rejected", "coverage", "length", "missing_end", "repetition"), 0
                )
            },
            "no component of the reward",
        ),
    ],
)
def test_settings_that_would_learn_another_thing_are_refused(
    changes: dict[str, object], says: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=says):
        recipe(tmp_path, tmp_path / "p.jsonl", **changes)


class Words:
    """Rewards words that have an e."""

    def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        raise AssertionError("words are rewarded, not answers")

    def reward_spans(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> list[list[SpanReward]]:
        """The rewards of each answer's words."""
        return [
            [
                SpanReward(m.start(), m.end(), float("e" in m.group()))
                for m in re.finditer(r"\S+", a)
            ]
            for a in answers
        ]


def test_a_reward_of_words_is_credited_to_its_words(tiny_llava: Path, tmp_path: Path) -> None:
    settings = recipe(
        tiny_llava,
        prompt_rows(tmp_path / "asked"),
        rewards={**NO_CLAIMS, "more": {"letters": 1.0}, "words": ["letters"]},
        method={"type": "rloo", "credit": "claims", "kl": {"coefficient": 0.0}},
        steps=12,
        n=8,
        optim={"lr": 5e-3},
    )
    steps = run(settings, tmp_path / "out", Words())
    first, last = (sum(line["reward"] for line in part) for part in (steps[:3], steps[-3:]))
    assert last > 1.2 * first
    with pytest.raises(UserError, match="scores whole answers, not words"):
        run(settings, tmp_path / "whole", Letters())


class EqualSums(Words):
    """Rewards the first word and takes as much from the last, in turns; nothing for one image."""

    def reward_spans(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> list[list[SpanReward]]:
        """The rewards of each answer's words."""
        equal = min(prompt.key for prompt in prompts)
        spans: list[list[SpanReward]] = []
        for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
            value = 0.0 if prompt.key == equal else 1.0 - number % 2 * 2
            half = len(answer) // 2
            spans.append([SpanReward(0, half, value), SpanReward(half, len(answer), -value)])
        return spans


@pytest.mark.parametrize("credit", ["claims", "terminal"])
def test_groups_of_equal_sums_are_dropped_only_if_sums_alone_are_credited(
    credit: str, tiny_llava: Path, tmp_path: Path
) -> None:
    settings = recipe(
        tiny_llava,
        prompt_rows(tmp_path / "asked"),
        rewards={**NO_CLAIMS, "more": {"letters": 1.0}, "words": ["letters"]},
        method={"type": "grpo", "credit": credit},
        steps=1,
        held_out=0,
        eval_every=0,
    )
    if credit == "terminal":
        with pytest.raises(UserError, match="had equal rewards"):
            run(settings, tmp_path / "out", EqualSums())
        [line] = read_log(tmp_path / "out" / "log.jsonl")
        assert line["dropped_groups"] == 3
        return
    [line] = run(settings, tmp_path / "out", EqualSums())
    assert line["dropped_groups"] == 1
    assert 0 < line["gradient_norm"] < 1e3


def test_only_the_published_recipe_has_the_published_faults() -> None:
    faulty: dict[str, RLSettings] = {}
    for shipped_recipe in shipped():
        if shipped_recipe.command != "rl":
            continue
        found = load(shipped_recipe.path, [], RLSettings, options={})
        method = found.method
        padded = isinstance(method, PPO) and method.whiten == "padded"
        clamped = method.kl.estimate == "clamped_k1"
        one_sided = found.rewards.symbolic_rule == "published"
        assert padded == clamped == one_sided
        if padded:
            faulty[shipped_recipe.name] = found
    published = faulty.pop("llava-rlhf-ppo")
    assert faulty == {}
    assert isinstance(published.method, PPO)
    assert (published.n, published.prompts_per_step, published.passes) == (1, 512, 2)
    assert (published.method.gamma, published.method.lam) == (1, 1)
    assert published.method.kl.coefficient == pytest.approx(0.1)
    assert published.rewards.weights == {
        "missing_end": 8,
        "tokens": 10,
        "symbolic": 2,
        "runs/reward/model": 1,
    }
