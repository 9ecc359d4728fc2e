"""`groundtune rl` as a user runs it."""

import json
from pathlib import Path

import pytest

from groundtune.cli import app


def test_a_dry_run_reports_tokens_memory_and_hours_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["rl", "world-rl", "steps=7", "device=cpu", "--dry-run", "--json", "--out", str(out)]
    assert app.run(words) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["prompts"] == 384
    assert plan["answers_per_step"] == 128
    assert plan["steps"] == 7
    assert plan["tokens_per_step_max"] == round(16 * plan["prompt_tokens"]) + 128 * 128
    assert plan["passes_per_step"] == 2
    assert plan["weights"] == 3 * 5667392  # policy, reference and labeler
    assert 0.05 < plan["memory_gb"] < 5
    assert plan["update_hours_max"] > plan["draw_hours"] >= 0
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["world-rl", "sampling.temperature=0.5"], "other draws are not the policy's"),
        (["world-rl", "method.type=reinforce"], "reinforce"),
        (["world-rl", "rewards.covrage=1"], "covrage"),
        (["world-rl", "model=world:none"], "world"),
        (["world-rl", "n=1"], "n must be 2 or more"),
        (["world-rl", "rewards.more.mine=1", "prompts=world:2"], "no reward 'mine'"),
        (["world-ddpo"], "a recipe of groundtune train"),
    ],
)
def test_bad_input_is_three_lines_and_exit_2(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.run(["rl", *words, "--out", str(tmp_path / "out")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert says in " ".join(lines)
    assert [line.split(":")[0] for line in lines[-3:]] == ["error", "where", "fix"]


def test_a_model_whose_answers_never_end_is_refused_when_claims_are_rewarded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["rl", "world-rl", "prompts=world:8", "held_out=0", "sampling.max_new_tokens=4"]
    words += ["eval_every=0", "choose.by=last", "device=cpu"]
    assert app.run([*words, "--out", str(tmp_path / "out")]) == 2
    lines = capsys.readouterr().err.splitlines()[-3:]
    assert "answers ends within 4 tokens" in lines[0]
    assert "sampling.max_new_tokens" in lines[2]
