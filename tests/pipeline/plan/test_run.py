"""`groundtune plan`: its estimates against what was published, and what benchmarks can show."""

import json
import math
from pathlib import Path

import pytest

from groundtune.cli.app import EXIT_INPUT, run
from groundtune.errors import UserError
from groundtune.pipeline.models.sizes import MODELS, sizes_of_known
from groundtune.pipeline.plan.machines import MACHINES, rates_of
from groundtune.pipeline.plan.run import PlanOptions, RecipePlan, known, plan_recipe
from groundtune.pipeline.recipes.about import about_of
from groundtune.pipeline.recipes.registry import find, shipped
from groundtune.train.estimate import sizes_of

RECIPES = [recipe.name for recipe in shipped() if about_of(recipe.path)]


def planned(name: str, *overrides: str, **options: object) -> RecipePlan:
    return plan_recipe(find(name), overrides, PlanOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", RECIPES)
def test_what_a_recipe_says_it_needs_is_what_is_planned_and_fits(name: str) -> None:
    plan, about = planned(name), about_of(find(name))
    assert about is not None
    assert plan.fits, plan.notes
    assert about.needs.hours == pytest.approx(plan.hours, rel=0.06)
    assert about.needs.memory_gb == pytest.approx(plan.memory_gb, rel=0.03, abs=0.6)
    assert (plan.machine, plan.machines) == (about.needs.machine, about.needs.machines)


def test_hours_are_of_the_order_that_the_authors_state() -> None:
    """RLHF-V: less than an hour on 8 A100. RLAIF-V 7B: 48 hours of feedback, 6 of training there.

    The authors' training ran one pair per GPU, both answers with a prompt and an image of their
    own: the plan, of packed rows, is a fifth of it.
    """
    assert planned("rlhf-v-1.4k").hours < 1
    spread = planned("rlaif-v-7b", machine="a100-80gb", machines=8).stages
    feedback = sum(s.hours for s in spread if s.name in {"sample", "divide", "verify"})
    assert 48 / 3 < feedback < 48
    trained = sum(s.hours for s in spread if s.name == "train")  # in one process
    assert 8 * 6 / 6 < trained < 8 * 6


@pytest.mark.parametrize("name", MODELS)
def test_the_weights_of_the_table_agree_with_their_shapes(name: str) -> None:
    size = MODELS[name]
    sizes = sizes_of_known(size, full=True)
    ends = size.vocabulary * size.width * (1 if size.tied else 2)
    parts = sizes.decoder + size.tower + ends
    assert parts <= size.weights * 1.001
    if "gemma-4" not in name:  # it has embeddings per layer
        assert parts > 0.75 * size.weights


def test_a_model_on_this_machine_is_read_from_its_configuration(tiny_llava: Path) -> None:
    from groundtune.vlm.load import outline

    model = outline(str(tiny_llava)).model
    true = sizes_of(model, adapted=False)
    read = known(str(tiny_llava))
    assert read.size.weights == true.weights
    assert (read.size.layers, read.size.width) == (true.layers, true.width)
    assert read.size.image_tokens == 16


def test_more_work_takes_more_hours_and_more_machines_fewer() -> None:
    base = planned("rlhf-v-5.7k", "max_steps=0")
    assert planned("rlhf-v-5.7k", "max_steps=0", "epochs=6").hours > 1.8 * base.hours
    more = planned("rlhf-v-5.7k", "max_steps=0", machine="a100-80gb", machines=16)
    assert more.hours == pytest.approx(base.hours / 2)
    assert planned("qwen3-vl-4b", "rounds=2").hours == pytest.approx(
        planned("qwen3-vl-4b").hours / 2
    )


def test_the_cost_is_hours_times_machines_times_price() -> None:
    plan = planned("rlhf-v-5.7k", price=2.5)
    assert plan.dollars == pytest.approx(plan.hours * 8 * 2.5)


def test_what_does_not_fit_is_reported_with_a_fix() -> None:
    plan = planned("rlaif-v-7b", machine="rtx-4090-24gb")
    assert not plan.fits
    assert "tune.type=lora" in plan.notes[-1]


def test_the_smallest_difference_is_that_of_two_shares_at_80_percent_power() -> None:
    effect = planned("rlaif-v-7b").effects[0]
    share = 0.545
    error = math.sqrt(2 * share * (1 - share) / 300)
    assert effect.smallest == pytest.approx(100 * 2.80 * error, rel=1e-3)
    assert effect.published == pytest.approx(10.5 - 54.5)
    assert planned("rlaif-v-7b", n=1200).effects[0].smallest == pytest.approx(effect.smallest / 2)


def test_an_endpoint_as_labeler_is_left_out_and_reported() -> None:
    plan = planned("rlaif-v-7b", "feedback.labeler=openai:x@http://localhost:1/v1")
    assert "verify" not in {stage.name for stage in plan.stages}
    assert "endpoint" in plan.notes[0]


def test_this_machine_is_measured() -> None:
    rates = rates_of("here", 64, 128)
    assert rates.flop_rate > 1e8
    assert rates.memory_gb > 0.5
    with pytest.raises(UserError, match="no machine"):
        rates_of("abacus", 64, 128)
    assert all(machine.memory_gb > 0 for machine in MACHINES.values())


def test_the_command_prints_stages_and_what_they_take(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "rlhf-v-5.7k"]) == 0
    shown = capsys.readouterr().out
    assert "reference" in shown
    assert "object_halbench can show" in shown
    assert run(["plan", "qwen3-vl-4b", "rounds=1", "--n", "1000", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["effects"][0]["n"] == 1000


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["world-demo"], "Recipes of groundtune demo can't be planned."),
        (["world-ddpo"], "The number of pairs is not known before they are there."),
        (["rlhf-v-5.7k", "--machine", "abacus"], "There is no machine 'abacus'."),
    ],
)
def test_what_cannot_be_planned_is_three_lines(
    words: list[str],
    what: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["plan", *words]) == EXIT_INPUT
    assert capsys.readouterr().err.splitlines()[0] == f"error: {what}"
