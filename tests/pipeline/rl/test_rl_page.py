"""Hacking is visible: the page over steps, its warnings, and the early stop."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from groundtune.pipeline.rl.early_stop import why_stop
from groundtune.pipeline.rl.metrics import changes, estimates, scores_of
from groundtune.pipeline.rl.overoptimised import curve, reward_at, turn_text, turns
from groundtune.pipeline.rl.page import warnings
from groundtune.pipeline.rl.run import rl
from groundtune.pipeline.rl.settings import EarlyStop
from groundtune.protocols import SilentProgress
from groundtune.records import Prompt, Score
from rl_folder import Letters, prompt_rows, recipe


def test_a_run_has_a_page_with_its_curves_and_held_out_answers(
    tiny_llava: Path, tmp_path: Path
) -> None:
    settings = recipe(tiny_llava, prompt_rows(tmp_path / "asked", 8), held_out=2)
    out = tmp_path / "out"
    result = rl(settings, out, SilentProgress(), rewarders={"letters": Letters()})
    html = result.report.read_text()
    for title in ("Components", "Distance from the reference", "letters", "Words per answer"):
        assert title in html
    scores = scores_of(out).read()
    assert [score.model for score in scores] == [f"step-{n}" for n in (0, 0, 2, 2, 4, 4)]
    assert {each.metric for each in estimates(scores, "step-4")} == {
        "words",
        "truncated",
        "repeated_phrases",
    }
    assert {each.against for each in changes(scores, "step-4")} == {"step-0"}
    assert "Held-out" in html
    before = (out / "model" / "model.safetensors").stat().st_mtime_ns
    rl(settings, out, SilentProgress(), rewarders={"letters": Letters()})
    assert len(scores_of(out).read()) == 6
    assert (out / "model" / "model.safetensors").stat().st_mtime_ns >= before


def line(step: int, **values: float) -> dict[str, float]:
    return {"step": step} | {f"held_out/{name}": value for name, value in values.items()}


GOOD = {
    "words": 30.0,
    "supported_claims": 8.0,
    "repeated_claims": 0.5,
    "repeated_phrases": 0.05,
    "truncated": 0.0,
}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, ""),
        ({"supported_claims": 5.9}, "supported claims per answer fell by 26%"),
        ({"supported_claims": 6.1}, ""),
        ({"words": 46.0}, "words per answer grew by 53%"),
        ({"repeated_claims": 2.6}, "made again as new grew by 2.1"),
        ({"truncated": 0.3}, "truncated answers grew to 30%"),
        ({"words": 14.0}, "words per answer fell by 53%"),
        ({"words": 16.0}, ""),
        ({"repeated_phrases": 0.31}, "phrases said before grew to 31% of an answer's"),
        ({"repeated_phrases": 0.29}, ""),
    ],
)
def test_a_run_stops_by_signals_that_need_no_truth(changed: dict[str, float], says: str) -> None:
    lines = [line(0, **GOOD), {"step": 1, "reward": 1.0}, line(1, **(GOOD | changed))]
    assert says in why_stop(lines, EarlyStop())
    assert bool(says) == bool(why_stop(lines, EarlyStop()))
    off = EarlyStop.model_validate(dict.fromkeys(EarlyStop.model_fields, 0))
    assert why_stop(lines, off) == ""


class Words:
    """Rewards the number of words."""

    def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        """One reward an answer."""
        return [float(len(answer.split())) for answer in answers]


def test_a_run_that_stopped_early_stays_so_when_it_is_run_again(
    tiny_llava: Path, tmp_path: Path
) -> None:
    settings = recipe(
        tiny_llava,
        prompt_rows(tmp_path / "asked", 8),
        steps=20,
        n=8,
        optim={"lr": 3e-3},
        stop={"more_words": 0.1},
    )
    out = tmp_path / "out"
    first = rl(settings, out, SilentProgress(), rewarders={"letters": Words()})
    assert "words per answer grew" in first.early_end
    log = (out / "log.jsonl").read_text()
    again = rl(settings, out, SilentProgress(), rewarders={"letters": Words()})
    assert again.early_end == first.early_end
    assert (out / "log.jsonl").read_text() == log


def held_out(step: int, *, wrong: int, named: int, of: int = 40) -> list[Score]:
    """Scores of a step: so many answers are wrong, and so many of 5 objects each are named."""
    return [
        Score(
            key=f"{step}-{item}",
            benchmark="held-out",
            item=str(item),
            image=str(item),
            model=f"step-{step}",
            answer="",
            values={"wrong": item < wrong, "invented": 0, "named": named, "there": 5},
        )
        for item in range(of)
    ]


REWARDS = [{"step": n, "reward": float(n), "loss": 0.1} for n in range(1, 7)]


def test_the_page_says_from_which_step_on_the_truth_got_worse_while_the_reward_rose() -> None:
    scores = [
        *held_out(0, wrong=36, named=5),
        *held_out(3, wrong=8, named=5),
        *held_out(6, wrong=24, named=3),
    ]
    wrong, recall = turns(REWARDS, scores)
    assert (wrong.metric.name, wrong.best, wrong.last) == ("wrong", 3, 6)
    assert wrong.values == pytest.approx((0.2, 0.6))
    assert wrong.rewards == (4, 6)
    assert (recall.metric.name, recall.best) == ("recall", 3)  # of equal ones the latest
    text = turn_text(wrong, None)
    assert "from step 3 to step 6 the reward rose from 4.00 to 6.00" in text
    assert "answers with anything wrong, from 20.0% to 60.0% (+40.0 points" in text
    assert "from before" not in text
    assert "The result, step 3, is from before that." in turn_text(wrong, 3)
    assert turn_text(wrong, 0).endswith("The result is the model before training.")
    drawn = curve(REWARDS, scores)
    assert drawn is not None
    lines = {each.label: [(p.x, round(p.y, 3)) for p in each.points] for each in drawn.series}
    assert lines == {
        "reward": [(0, 0), (3, 0.6), (6, 1)],
        "no invented object": [(0, 1), (3, 1), (6, 1)],
        "nothing wrong": [(0, 0.1), (3, 0.8), (6, 0.4)],
        "objects named": [(0, 1), (3, 1), (6, 0.6)],
    }


def test_without_truth_the_labelers_verdicts_are_drawn_and_compared() -> None:
    scores = [
        score.model_copy(update={"values": values})
        for step, rejected, supported in ((0, 0.0, 8.0), (6, 1.0, 6.0))
        for score in held_out(step, wrong=0, named=5)
        for values in [{"rejected": rejected, "supported_claims": supported}]
    ]
    drawn = curve(REWARDS, scores)
    assert drawn is not None
    lines = {each.label: [(p.x, p.y) for p in each.points] for each in drawn.series}
    assert lines["no rejected claim"] == [(0, 1), (6, 0)]
    assert lines["supported claims, of those before"] == [(0, 1), (6, 0.75)]
    assert [turn.metric.name for turn in turns(REWARDS, scores)] == ["rejected", "supported_claims"]


def test_a_reward_between_evaluations_is_that_of_the_answers_drawn_then() -> None:
    assert [reward_at(n, [0, 3, 6], REWARDS) for n in (0, 3, 6)] == [1, 4, 6]
    assert [reward_at(n, [0, 6], REWARDS) for n in (0, 6)] == [2, 5]
    assert reward_at(0, [0, 3], []) == 0


def test_a_change_that_may_be_chance_or_a_reward_that_fell_is_no_over_optimisation() -> None:
    better = [*held_out(0, wrong=36, named=5), *held_out(6, wrong=8, named=5)]
    chance = [*held_out(0, wrong=8, named=5), *held_out(6, wrong=10, named=5)]
    worse = [*held_out(0, wrong=8, named=5), *held_out(6, wrong=30, named=5)]
    assert turns(REWARDS, better) == turns(REWARDS, chance) == []
    assert len(turns(REWARDS, worse)) == 1
    assert turns([{**each, "reward": -each["reward"]} for each in REWARDS], worse) == []


def test_steps_in_which_nothing_was_learnt_are_counted() -> None:
    steps = [{"step": n, "reward": 1.0} | ({"loss": 0.1} if n == 1 else {}) for n in (1, 2, 3)]
    assert warnings(steps, "") == [
        "Nothing was learnt in 2 of 3 steps: the answers to each prompt had equal rewards."
    ]
