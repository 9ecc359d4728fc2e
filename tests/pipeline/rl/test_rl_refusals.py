"""What a run is refused for: before anything is written, or so that it can be corrected there."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from groundtune.errors import UserError
from groundtune.pipeline.models.prompt_sources import requested
from groundtune.pipeline.rl.held_out import held_out_prompts
from groundtune.pipeline.rl.run import read_outcome, rl
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.records import Prompt
from groundtune.store.run_json import read_run
from groundtune.train.log import read_log
from rl_folder import NO_CLAIMS, Letters, prompt_rows, recipe

LETTERS = {**NO_CLAIMS, "more": {"letters": 1.0}}


def with_columns(file: Path, *columns: dict[str, str]) -> Path:
    """Add columns to the first rows of a file of prompts."""
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for row, more in zip(rows, columns, strict=False):
        row |= more
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def run(settings: RLSettings, out: Path) -> list[dict[str, Any]]:
    rl(settings, out, SilentProgress(), rewarders={"letters": Letters()})
    return [line for line in read_log(out / "log.jsonl") if "reward" in line]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rewards": {**LETTERS, "more": {"letters": 1, "nowhere": 1}}}, "no reward 'nowhere'"),
        ({"method": {"type": "ppo"}, "value_from": "nowhere"}, r"reward\.json is missing"),
    ],
)
def test_a_reward_that_is_not_there_leaves_no_folder(
    changes: dict[str, object], says: str, tiny_llava: Path, tmp_path: Path
) -> None:
    settings = recipe(tiny_llava, prompt_rows(tmp_path / "asked"), **changes)
    with pytest.raises(UserError, match=says):
        run(settings, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_symbolic_reward_needs_answer_keys_and_counts_prompts_without(
    tiny_llava: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = prompt_rows(tmp_path / "asked")
    settings = recipe(
        tiny_llava, asked, rewards={**LETTERS, "symbolic": 1}, steps=1, held_out=0, eval_every=0
    )
    with_columns(asked, {"answer": "a red square"})
    with pytest.raises(UserError, match=r"None of 6 prompts has an answer key"):
        run(settings, tmp_path / "out")
    with_columns(asked, {"answer": "B"}, {"answer": "Yes"})
    run(settings, tmp_path / "out")  # the same folder: no model had answered
    assert "4 of 6 prompts have no answer key" in caplog.text


def test_a_length_bonus_that_is_no_number_is_refused(tiny_llava: Path, tmp_path: Path) -> None:
    asked = with_columns(prompt_rows(tmp_path / "asked"), {"length_bonus": "long"})
    settings = recipe(tiny_llava, asked, rewards={**LETTERS, "tokens": 1}, held_out=0)
    with pytest.raises(UserError, match="length_bonus is no number: 'long'"):
        run(settings, tmp_path / "out")


def test_the_wrong_part_is_known_of_its_task_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"rewards\.found needs task=find"):
        recipe(tmp_path, tmp_path / "p.jsonl", rewards={**NO_CLAIMS, "found": 1})


def test_a_choice_without_held_out_prompts_is_refused_and_other_prompts_are_then_read(
    tiny_llava: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    out = tmp_path / "out"
    few, more = (prompt_rows(tmp_path / name, n) for name, n in (("few", 3), ("more", 8)))
    with pytest.raises(UserError, match="None of 3 prompts could be held out"):
        run(recipe(tiny_llava, few, choose={"by": "claims"}), out)
    run(recipe(tiny_llava, more, steps=1, held_out=3), out)
    assert len(RunFolder(out).prompts.read()) == 6
    assert len(held_out_prompts(out).read()) == 2
    assert "2 of the 8 prompts are held out, not 3" in caplog.text
    with pytest.raises(UserError, match="run with other settings"):
        run(recipe(tiny_llava, few, steps=1, held_out=3), out)
    assert read_run(out).recipe["prompts"] == str(more)  # what it was trained with


class Equal:
    """Gives every answer of a prompt one value."""

    def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        """One reward an answer."""
        return [float(len(prompt.question)) for prompt in prompts]


def test_a_run_that_learnt_nothing_has_no_result(tiny_llava: Path, tmp_path: Path) -> None:
    settings = recipe(tiny_llava, prompt_rows(tmp_path / "asked"), steps=2)
    out = tmp_path / "out"
    for _ in range(2):
        with pytest.raises(UserError, match="Nothing was learnt in 2 steps") as caught:
            rl(settings, out, SilentProgress(), rewarders={"letters": Equal()})
        assert caught.value.where == "rewards: letters"
        assert not (out / "model").exists()
    steps = [line for line in read_log(out / "log.jsonl") if "reward" in line]
    assert [line["dropped_groups"] for line in steps] == [3, 3]
    assert all("loss" not in line for line in steps)


def world(**changes: object) -> RLSettings:
    settings: dict[str, object] = {
        "model": "world:base",
        "prompts": "world:4",
        "device": "cpu",
        "n": 2,
        "prompts_per_step": 2,
        "steps": 1,
        "sampling": {"max_new_tokens": 48},
        "held_out": 4,
        "eval_every": 1,
        "tune": {"type": "full"},
    }
    return RLSettings.model_validate(settings | changes)


def test_answers_that_never_end_are_refused_and_a_longer_limit_is_taken_in_the_same_folder(
    tmp_path: Path,
) -> None:
    feedback = {"labeler": "self", "divider": "world"}
    with pytest.raises(UserError, match="None of 4 answers ends within 3 tokens"):
        run(
            world(
                sampling={"max_new_tokens": 3}, feedback=feedback, rewards={"more": {"letters": 1}}
            ),
            tmp_path,
        )
    assert len(run(world(feedback=feedback, rewards={"more": {"letters": 1}}), tmp_path)) == 1


@pytest.mark.parametrize("labeler", ["self", "world:labeler"])
def test_claims_choose_the_step_where_the_rewards_are_others(labeler: str, tmp_path: Path) -> None:
    settings = world(
        rewards=LETTERS, choose={"by": "claims"}, feedback={"labeler": labeler, "divider": "world"}
    )
    run(settings, tmp_path / "out")
    outcome = read_outcome(tmp_path / "out", settings)
    assert outcome["chosen_step"] in (0, 1)
    assert {"rejected_before", "supported_claims_after"} <= outcome.keys()


def test_a_run_that_could_hold_nothing_out_says_that_no_step_was_chosen(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sampled = RunFolder(tmp_path / "asked")
    request = requested("world:3")
    assert request is not None
    sampled.prompts.add(
        request.source.prompts(sampled.images, 3, SilentProgress(), part="learning", seed=0)
    )
    settings = world(prompts=str(sampled.path), feedback={"labeler": "self", "divider": "world"})
    result = rl(settings, tmp_path / "out", SilentProgress())
    assert "0 of the 3 prompts are held out, not 4" in caplog.text
    assert "no step was chosen and nothing could end the run early" in result.report.read_text()
    assert "chosen_step" not in read_outcome(tmp_path / "out", settings)
