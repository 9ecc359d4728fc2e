"""A study of reward models: arms, errors in comparisons, rules without a model, other facts."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from groundtune.errors import UserError
from groundtune.pipeline.methods_study import reward_measure, training
from groundtune.pipeline.methods_study.reward_measure import (
    METRICS,
    HeldOutStep,
    RewardMeasure,
    RewardStep,
    held_out_job,
    score_comparisons,
)
from groundtune.pipeline.methods_study.reward_settings import RewardStudySettings
from groundtune.pipeline.methods_study.reward_study import reward_study
from groundtune.pipeline.methods_study.training import data_jobs
from groundtune.pipeline.recipes.registry import find
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.recipe_loading import load
from groundtune.records import Estimate, Score
from groundtune.store.dataset import RecordSet
from reward_folder import fill_compared


def shipped(*overrides: str) -> RewardStudySettings:
    return load(find("world-reward-study"), list(overrides), RewardStudySettings)


def test_the_shipped_study_has_controls_an_upper_bound_and_errors() -> None:
    whole = shipped().expanded()
    assert list(whole.arms) == [
        *("plain", "facts", "placebo", "complete-truth", "no-image", "wrong-facts"),
        *("plain-15", "facts-15", "plain-30", "facts-30"),
    ]
    errors = {name: getattr(data, "error_rate", None) for name, data in whole.data.items()}
    assert errors == {"compared": 0, "compared-15": 0.15, "compared-30": 0.3}
    learnt = {name: arm.set.get("feedback") for name, arm in whole.arms.items()}
    assert learnt["facts"] == learnt["placebo"] == learnt["complete-truth"] == "{compared}"
    assert (learnt["facts-30"], learnt["wrong-facts"]) == ("{compared-30}", None)
    assert whole.arms["facts-15"].like == "facts"
    assert {len(whole.tried(name)) for name in whole.arms} == {2}
    assert whole.rules == ("shorter", "claims")
    jobs = data_jobs(whole, 0)
    assert jobs["compared-15"].needs == jobs["compared-30"].needs == ("data-compared-s0",)


def test_arms_of_a_study_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="With_errors names no arm: none"):
        shipped("with_errors=[none]")
    with pytest.raises(UserError, match=r"needs `like`, and no `set`"):
        shipped("arms.wrong-facts.set={head: linear}")
    with pytest.raises(UserError, match=r"Write measured: \{facts: SHOW\}"):
        reward_study(
            shipped("arms.wrong-facts.measured={facts: nonsense}"),
            tmp_path / "out",
            SilentProgress(),
        )
    with pytest.raises(ValidationError):
        RewardStudySettings(arms={})


def scored(folder: Path, rule: str) -> dict[str, tuple[float, float]]:
    """Return the sum of right comparisons and their number, by metric."""
    step = RewardStep(model=rule, facts=None, device="cpu", held_out="it", out=rule, label=rule)
    score_comparisons(folder, step, SilentProgress())
    rows = RecordSet(folder / rule / "scores", Score).read()
    values = [row.values | {"asked": 1.0} for row in rows]
    sums = {name: sum(each[name] for each in values) for name in values[0]}
    return {
        metric.name: (sums[next(iter(metric.numerator))], sums[next(iter(metric.denominator))])
        for metric in METRICS
    }


def test_the_shorter_answer_wins_where_only_wrong_things_are_added(tmp_path: Path) -> None:
    # of each prompt's answers the one with fewer cats is better; against the one without any
    # another has as much wrong
    fill_compared(tmp_path / "it", 4, 3)
    found = scored(tmp_path, "shorter")
    assert found["accuracy"] == (12, 12)
    assert found["accuracy_wrong"] == (4, 4)
    assert found["accuracy_right"] == (8, 8)
    assert found["accuracy_length"] == (0, 0)


def test_answers_of_equal_length_are_a_guess_of_length_and_a_group(tmp_path: Path) -> None:
    texts = {"a0-0": "There is one cup here."}
    fill_compared(tmp_path / "it", 1, 2, texts=texts | {"a0-1": "There is a cat here."})
    found = scored(tmp_path, "shorter")
    assert found["accuracy"] == found["accuracy_length"] == (0.5, 1)


def test_unknown_rewards_are_counted_and_comparisons_without_a_better_answer_refused(
    tmp_path: Path,
) -> None:
    fill_compared(tmp_path / "it", 1, 2)
    step = RewardStep(
        model="claims", facts=None, device="cpu", held_out="it", out="o", label="claims"
    )
    score_comparisons(tmp_path, step, SilentProgress())  # nobody checked claims
    [row] = RecordSet(tmp_path / "o" / "scores", Score).read()
    assert row.status == "unparsed"
    fill_compared(tmp_path / "ties", 1, 2, ties=1)
    with pytest.raises(UserError, match="No held-out comparison has a better answer"):
        score_comparisons(tmp_path, step.model_copy(update={"held_out": "ties"}), SilentProgress())


def test_a_model_at_chance_is_a_row_that_says_so() -> None:
    def row(model: str, value: float, around: float) -> Estimate:
        return Estimate(
            model=model,
            benchmark="comparisons/greedy",
            metric="accuracy",
            value=value,
            low=value - around,
            high=value + around,
            n=50,
        )

    rows = [row("plain", 0.55, 0.08), row("facts", 0.75, 0.08), row("shorter", 0.5, 0.1)]
    notes = RewardMeasure(shipped()).subject(rows, 1).notes
    assert [note.text for note in notes] == ["plain: at chance. A guess may be as good."]


def test_a_small_study_has_a_row_per_arm_whatever_becomes_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampling: dict[str, Any] = {"max_new_tokens": 60, "temperature": 1.0}
    quick: dict[str, Any] = {"max_steps": 1, "batch_size": 4}
    facts = quick | {"judging": {"facts": {"show": "shown", "left_out": 0.34}}}
    truth = quick | {"judging": {"facts": {"show": "truth"}}}
    settings = RewardStudySettings.model_validate(
        {
            "learn": {"prompts": "world:12", "n": 3, "by": "comparisons", "sampling": sampling},
            "arms": {
                "facts": {"recipe": "world-reward", "set": facts},
                "complete-truth": {"recipe": "world-reward", "set": truth},
                "wrong-facts": {"like": "facts", "measured": {"facts": "other-scene"}},
            },
            "held_out": {"development": 6, "test": 6, "n": 3, "sampling": sampling},
        }
    )
    usual, trained = training.TRAIN["reward train"], list[str]()

    def train(one: Any, out: Path, progress: Any) -> Path:
        trained.append(out.name.rpartition("-")[0])
        if one.judging.facts.show == "truth":
            raise UserError("The loss is not a number.", "step 1", "Lower optim.lr.")
        return usual(one, out, progress)

    monkeypatch.setitem(training.TRAIN, "reward train", train)
    made = reward_study(settings, tmp_path / "out", SilentProgress(), workers=1)
    assert trained == ["facts-1-s0", "complete-truth-1-s0"]  # wrong-facts is no training
    rows = {row[0]: row for row in made.table[1:]}
    assert list(rows) == ["shorter", "facts", "complete-truth", "wrong-facts"]
    assert rows["complete-truth"][3] == "failed: The loss is not a number. (step 1)"
    assert rows["facts"][1] == rows["wrong-facts"][1] == rows["shorter"][1]
    tables = json.loads(made.results.read_text())
    pairs = {(each["model"], each["against"]) for each in tables["differences"]}
    assert pairs == {("facts", "shorter"), ("wrong-facts", "shorter"), ("wrong-facts", "facts")}
    again = reward_study(settings, tmp_path / "out", SilentProgress(), workers=1)
    assert json.loads(again.results.read_text()) == tables


def test_scenes_of_the_test_split_that_were_opened_before_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("answer_prompts", "compare_answers"):
        monkeypatch.setattr(reward_measure, name, lambda *args, **rest: None)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]

    def scenes(split: str, **held_out: int) -> list[str]:
        settings = RewardStudySettings.model_validate(
            {"arms": {"plain": {"recipe": "world-reward"}}, "held_out": held_out, "claims": None}
        )
        job = held_out_job(settings, split)
        job.work(tmp_path, job.settings, SilentProgress())
        assert isinstance(job.settings, HeldOutStep)
        return [each.key for each in RunFolder(tmp_path / job.settings.out).prompts.read()]

    assert scenes("test", test=2, test_start=2) == scenes("test", test=4)[2:]
    development = scenes("development", development=4)
    assert scenes("development", development=4, test_start=2) == development
