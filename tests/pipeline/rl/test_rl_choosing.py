"""Which step's model is the result of a run, and that its weights are the ones that are kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]

from groundtune.errors import UserError
from groundtune.pipeline.rl import choosing
from groundtune.pipeline.rl.choosing import EvaluatedStep, best_step, evaluated_steps
from groundtune.pipeline.rl.run import read_outcome, rl
from groundtune.pipeline.rl.settings import EarlyStop, RLSettings, StepChoice
from groundtune.protocols import SilentProgress
from groundtune.records import Score
from rl_folder import Killed, Letters, prompt_rows, recipe

STEPS = {0: (0.9, 8.0), 1: (0.7, 8.0), 2: (0.5, 7.8), 3: (0.5, 8.0), 4: (0.1, 6.0)}
"""Share of the answers with a rejected claim, supported claims per answer."""


def score(step: int, item: str, **values: float) -> Score:
    return Score(
        key=f"{step}-{item}",
        benchmark="held-out",
        item=item,
        image=item,
        model=f"step-{step}",
        answer="",
        values=values,
    )


def test_the_least_wrong_step_that_keeps_enough_is_chosen() -> None:
    steps = [EvaluatedStep(n, *values) for n, values in STEPS.items()]
    assert best_step(steps, 0.05) == 2  # of the two with equal errors the earlier
    assert best_step(steps, 0.02) == 3
    assert best_step(steps, 0.25) == 4
    assert best_step([EvaluatedStep(0, 0.1, 8), EvaluatedStep(5, 0.1, 8)], 0.05) == 0
    assert best_step([EvaluatedStep(0, 0.9, 8), EvaluatedStep(5, 0.1, 2)], 0.05) == 0


def test_what_is_kept_are_claims_of_the_kinds_that_count() -> None:
    scores = [
        score(0, "a", rejected=1, supported_claims=6, supported_object=4),
        score(0, "b", rejected=0, supported_claims=2),
        score(10, "a", rejected=0, supported_claims=5, supported_object=1),
    ]
    by_all, by_objects = StepChoice(), StepChoice(kinds=("object",))
    assert evaluated_steps(scores, by_all) == [(0, 0.5, 4), (10, 0, 5)]
    assert evaluated_steps(scores, by_objects) == [(0, 0.5, 2), (10, 0, 1)]


def test_a_labeler_that_supports_nothing_chooses_nothing() -> None:
    scores = [score(0, "a", rejected=0, supported_claims=0)]
    with pytest.raises(UserError, match="supports no claim of the model before training"):
        evaluated_steps(scores, StepChoice())


@pytest.mark.parametrize(
    ("changes", "chooses"),
    [
        ({}, False),
        ({"rewards": {"rejected": 1.0}}, True),
        ({"choose": {"by": "claims"}}, True),
        ({"rewards": {"rejected": 1.0}, "choose": {"by": "last"}}, False),
        ({"rewards": {"rejected": 1.0}, "held_out": 0}, False),
    ],
)
def test_claims_choose_where_they_are_checked_or_asked_for(
    changes: dict[str, object], chooses: bool
) -> None:
    settings = recipe(Path("model"), Path("asked.jsonl"), **changes)
    assert settings.chooses == chooses
    assert settings.checks_claims == (chooses or settings.rewards.by_claims)


def test_claims_can_not_choose_without_held_out_prompts() -> None:
    with pytest.raises(ValueError, match=r"choose\.by=claims needs held-out prompts"):
        recipe(Path("model"), Path("asked.jsonl"), choose={"by": "claims"}, eval_every=0)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a script say what the labeler would."""

    def steps(scores: Sequence[Score], choice: StepChoice) -> list[EvaluatedStep]:
        numbers = sorted({choosing.step_of(each.model) for each in scores})
        return [EvaluatedStep(n, *STEPS[n]) for n in numbers]

    monkeypatch.setattr(choosing, "evaluated_steps", steps)
    monkeypatch.setattr(
        RLSettings, "checks_claims", property(lambda settings: settings.rewards.by_claims)
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def equal(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize(("loss", "chosen"), [(0.02, 3), (0.05, 2)])
@pytest.mark.usefixtures("scripted")
def test_the_result_has_the_chosen_steps_weights_also_after_a_kill(
    loss: float, chosen: int, tiny_llava: Path, tmp_path: Path
) -> None:
    changes: dict[str, object] = {
        "choose": {"by": "claims", "max_content_loss": loss},
        "eval_every": 1,
        "keep": 10,
    }
    asked = prompt_rows(tmp_path / "asked", 8)
    settings = recipe(tiny_llava, asked, **changes, save_every=1)
    whole = tmp_path / "whole"
    rl(settings, whole, SilentProgress(), rewarders={"letters": Letters()})
    result = weights(whole / "model")
    assert equal(result, weights(whole / f"checkpoints/step-{chosen:06d}"))
    assert not equal(result, weights(whole / "checkpoints/step-000004"))
    assert read_outcome(whole, settings)["chosen_step"] == chosen
    assert f"The result is step {chosen}" in (whole / "report.html").read_text()
    assert not (whole / "best").exists()
    rl(settings, whole, SilentProgress(), rewarders={"letters": Letters()})
    assert equal(result, weights(whole / "model"))  # a finished run stays as it is
    settings = recipe(tiny_llava, asked, **changes, save_every=2)
    for rewarder in (Killed(3), Letters()):
        out = tmp_path / "killed"
        try:
            rl(settings, out, SilentProgress(), rewarders={"letters": rewarder})
        except KeyboardInterrupt:
            assert {path.name for path in (out / "best").iterdir()} >= {
                f"step-{min(chosen, 3):06d}"
            }
    assert equal(result, weights(tmp_path / "killed/model"))


def test_if_no_step_is_better_the_model_is_unchanged_and_the_page_says_so(tmp_path: Path) -> None:
    settings = RLSettings.model_validate(
        {
            "model": "world:base",
            "prompts": "world:4",
            "device": "cpu",
            "n": 2,
            "prompts_per_step": 2,
            "steps": 2,
            "sampling": {"max_new_tokens": 48},
            "feedback": {"labeler": "self", "divider": "world"},
            "tune": {"type": "full"},
            "optim": {"lr": 3e-2, "schedule": "constant", "warmup": 0},
            "held_out": 4,
            "eval_every": 2,
            "stop": dict.fromkeys(EarlyStop.model_fields, 0),
        }
    )
    result = rl(settings, tmp_path / "out", SilentProgress())
    outcome = read_outcome(tmp_path / "out", settings)
    assert outcome["chosen_step"] == 0
    assert outcome["words_after"] == outcome["words_before"]
    html = result.report.read_text()
    assert "No step was better: the model is unchanged" in html
    assert "Step 2 keeps the most" in html
    assert "choose.max_content_loss=0.05 asks for 95.0%" in html
    base = weights(Path(str(tmp_path / "out/model")))
    assert not equal(base, weights(tmp_path / "out/checkpoints/step-000002"))
