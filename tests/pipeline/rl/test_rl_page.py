"""Hacking is visible: the page over steps, its warnings, and the early stop."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from groundtune.pipeline.rl.early_stop import why_stop
from groundtune.pipeline.rl.metrics import changes, estimates, scores_of
from groundtune.pipeline.rl.page import warnings
from groundtune.pipeline.rl.run import rl
from groundtune.pipeline.rl.settings import EarlyStop
from groundtune.protocols import SilentProgress
from groundtune.records import Prompt
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
    assert {each.metric for each in estimates(scores, "step-4")} == {"words", "truncated"}
    assert {each.against for each in changes(scores, "step-4")} == {"step-0"}
    assert "Held-out" in html
    before = (out / "model" / "model.safetensors").stat().st_mtime_ns
    rl(settings, out, SilentProgress(), rewarders={"letters": Letters()})
    assert len(scores_of(out).read()) == 6
    assert (out / "model" / "model.safetensors").stat().st_mtime_ns >= before


def line(step: int, **values: float) -> dict[str, float]:
    return {"step": step} | {f"held_out/{name}": value for name, value in values.items()}


GOOD = {"words": 30.0, "supported_claims": 8.0, "repeated_claims": 0.5, "truncated": 0.0}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, ""),
        ({"supported_claims": 5.9}, "supported claims per answer fell by 26%"),
        ({"supported_claims": 6.1}, ""),
        ({"words": 46.0}, "words per answer grew by 53%"),
        ({"repeated_claims": 2.6}, "made again as new grew by 2.1"),
        ({"truncated": 0.3}, "truncated answers grew to 30%"),
    ],
)
def test_a_run_stops_by_signals_that_need_no_truth(changed: dict[str, float], says: str) -> None:
    lines = [line(0, **GOOD), {"step": 1, "reward": 1.0}, line(1, **(GOOD | changed))]
    assert says in why_stop(lines, EarlyStop())
    assert bool(says) == bool(why_stop(lines, EarlyStop()))
    off = EarlyStop(content_loss=0, more_words=0, repeated=0, truncated=0)
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


def test_a_reward_that_rises_while_the_truth_gets_worse_is_reported_first() -> None:
    steps = [{"step": n, "reward": float(n), "loss": 0.1} for n in range(1, 7)]
    before, after = line(0, wrong=0.5, invented=0.4, recall=0.9), line(6, wrong=0.6, recall=0.7)
    found = warnings([before, *steps, after], "")
    assert any("anything wrong went from 50.0% to 60.0%" in text for text in found)
    assert any("named went from 90.0% to 70.0%" in text for text in found)
    assert warnings([before, *steps, line(6, wrong=0.3, invented=0.2, recall=0.9)], "") == []
    assert warnings([before], "words grew") == ["The run ended early: words grew."]


def test_steps_in_which_nothing_was_learnt_are_counted() -> None:
    steps = [{"step": n, "reward": 1.0} | ({"loss": 0.1} if n == 1 else {}) for n in (1, 2, 3)]
    assert warnings(steps, "") == [
        "Nothing was learnt in 2 of 3 steps: the answers to each prompt had equal rewards."
    ]
