"""A study of methods: equal searches, a choice on the development split, and arms that fail."""

import json
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from pydantic import ValidationError

from groundtune.errors import UserError
from groundtune.pipeline.methods_study import training
from groundtune.pipeline.methods_study.choosing import choose
from groundtune.pipeline.methods_study.run import methods_study, run_study, searched
from groundtune.pipeline.methods_study.settings import (
    ArmChoice,
    ArmRun,
    MethodsStudySettings,
    StudyOutcome,
)
from groundtune.pipeline.methods_study.study import Study, needed_data
from groundtune.pipeline.methods_study.training import data_jobs, train_job
from groundtune.pipeline.models.measure import BASE, Evaluation, ToMeasure
from groundtune.pipeline.models.prompt_sources import load as load_source
from groundtune.pipeline.models.settings import LabelledModel
from groundtune.pipeline.recipes.registry import find
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.world.steps import EvaluateStep
from groundtune.protocols import SilentProgress
from groundtune.recipe_loading import load
from groundtune.records import Score
from study_measure import WeightsMeasure
from written_world import written

ARMS: dict[str, Any] = {
    "dpo": {
        "recipe": "world-dpo",
        "set": {"pairs": "{corrected}", "max_steps": 1, "batch_size": 2},
        "search": [{"optim.lr": 1e-5}, {"optim.lr": 1e-3}],
    },
    "ddpo": {
        "recipe": "world-ddpo",
        "set": {"pairs": "{corrected}", "max_steps": 1, "batch_size": 2},
        "search": [{"optim.lr": 1e-5}, {"optim.lr": 2e-5}],
    },
}


def settings_of(model: Path, **changes: object) -> MethodsStudySettings:
    """A small study of a tiny model."""
    sampling = {"max_new_tokens": 24, "temperature": 1.0}
    answers = {"type": "answers", "prompts": "world:12", "sampling": sampling}
    found: dict[str, object] = {
        "model": str(model),
        "data": {"corrected": answers},
        "arms": ARMS,
        "evaluation": {"images": {"world-captions": 5, "world-questions": 2}},
    }
    return MethodsStudySettings.model_validate(found | changes)


def run(
    settings: MethodsStudySettings, out: Path, final: bool = False, notebook: Path | None = None
) -> StudyOutcome:
    """Run a study whose models are measured quickly."""
    measure = WeightsMeasure()
    study = Study(settings, out, measure, settings.evaluation, SilentProgress(), 1)
    return run_study(study, {BASE: settings.model}, final, notebook, ["it"])


def test_the_shipped_study_tries_as_many_settings_of_each_arm() -> None:
    shipped = load(find("world-methods-study"), [], MethodsStudySettings)
    tried = {arm: len(shipped.tried(arm)) for arm in shipped.arms}
    assert set(tried.values()) == {3}


UNFAIR: list[tuple[dict[str, Any], str]] = [
    ({"arms": {**ARMS, "ddpo": {**ARMS["ddpo"], "search": [{}]}}}, "dpo 2, ddpo 1"),
    ({"arms": {**ARMS, "base": ARMS["dpo"]}}, "can't be a name"),
    ({"arms": {**ARMS, "more": {"recipe": "world-dpo", "like": "none"}}}, "must name an arm"),
    ({"compare": [("dpo", "sft")]}, "compare names no arm: sft"),
]


@pytest.mark.parametrize(("changes", "says"), UNFAIR)
def test_an_unfair_or_unclear_study_is_refused(
    changes: dict[str, object], says: str, tmp_path: Path
) -> None:
    with pytest.raises(ValidationError, match=says):
        settings_of(tmp_path, **changes)


@pytest.mark.parametrize(
    ("arm", "says"),
    [
        ({"recipe": "world-demo"}, "trains nothing that can be compared"),
        ({"recipe": "world-dpo", "set": {"pairs": "{others}"}}, "no data named others"),
        ({"recipe": "world-dpo", "set": {"optim.rate": 1}}, "optim.rate is not a key"),
    ],
)
def test_a_wrong_arm_is_refused_before_anything_runs(
    arm: dict[str, object], says: str, tiny_llava: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=says):
        methods_study(settings_of(tiny_llava, arms={"one": arm}), tmp_path / "o", SilentProgress())
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("rewritten", "says"),
    [
        ({"of": "corrected", "set": {"labeller": "world:labeler"}}, "labeller is not a key"),
        ({"of": "later"}, "no data named later"),
    ],
)
def test_wrong_data_are_refused_before_anything_runs(
    rewritten: dict[str, object], says: str, tiny_llava: Path, tmp_path: Path
) -> None:
    data = {
        "corrected": {"type": "answers", "prompts": "world:12"},
        "edited": {"type": "rewritten", **rewritten},
        "later": {"type": "answers", "prompts": "world:12"},
    }
    with pytest.raises(UserError, match=says):
        methods_study(settings_of(tiny_llava, data=data), tmp_path / "o", SilentProgress())
    assert not (tmp_path / "o").exists()


def test_data_stand_in_for_their_names_at_any_depth() -> None:
    values = {"pairs": "{a}", "rewards": {"more": {"{b}": 1}}, "mix": ["{a}/x"]}
    filled = training.filled(values, {"a": "data/a", "b": 'data/"b'})
    assert filled == {"pairs": "data/a", "rewards": {"more": {'data/"b': 1}}, "mix": ["data/a/x"]}


def test_data_are_made_for_data_that_are_made_for_a_model_that_an_arm_needs() -> None:
    data = {
        "drawn": {"type": "answers", "prompts": "world:4", "n": 2},
        "unused": {"type": "answers", "prompts": "world:4"},
        "compared": {"type": "answers", "of": "drawn", "by": "comparisons"},
        "rewards": {"type": "trained", "recipe": "world-reward", "set": {"feedback": "{compared}"}},
    }
    arm = {"recipe": "world-rl", "set": {"rewards": {"more": {"{rewards}": 1}}}}
    settings = MethodsStudySettings.model_validate({"data": data, "arms": {"ppo": arm}})
    jobs = data_jobs(settings, 0)
    training = train_job(settings, ArmRun("ppo", 0, 0), jobs)
    found = [job.name for job in needed_data([training], jobs.values())]
    assert found == ["data-drawn-s0", "data-compared-s0", "data-rewards-s0"]


def test_answers_that_nobody_judged_are_corrected_for_an_arm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {
        "drawn": {"type": "answers", "prompts": "world:16", "by": "nobody"},
        "corrected": {
            "type": "rewritten",
            "of": "drawn",
            "set": {"labeler": "world:truth", "second": "none", "rewrites": 1},
        },
    }
    arm = {"recipe": "world-dpo", "set": {"pairs": "{corrected}"}}
    settings = MethodsStudySettings.model_validate({"data": data, "arms": {"dpo": arm}})
    jobs = data_jobs(settings, 0)
    needed = needed_data([train_job(settings, ArmRun("dpo", 0, 0), jobs)], jobs.values())
    assert [job.name for job in needed] == ["data-drawn-s0", "data-corrected-s0"]
    drawn, corrected = (job.settings for job in needed)
    assert isinstance(drawn, training.AnswersStep)
    assert isinstance(corrected, training.RewriteStep)

    def sample(settings: object, out: Path, progress: object) -> None:
        written(out)

    monkeypatch.setattr(training, "run_sample", sample)
    training.make_answers(tmp_path, drawn, SilentProgress())
    training.make_rewrites(tmp_path, corrected, SilentProgress())
    pairs = RunFolder(tmp_path / corrected.out).pairs.read()
    assert {pair.origin for pair in pairs} == {"rewrite"}
    assert corrected.source == drawn.out


def _scores(name: str, invented: int, named: int) -> list[Score]:
    """Ten captions, some with an invented object, each naming some of 10 objects."""
    return [
        Score(
            key=f"{name}{i}",
            benchmark="world-captions",
            item=f"{i}",
            image=f"{i}",
            model=name,
            values={"all": 1, "invented": float(i < invented)}
            | {"classes": float(named), "truth_classes": 10.0},
        )
        for i in range(10)
    ]


def test_the_least_wrong_setting_that_keeps_enough_is_chosen() -> None:
    measure = load_source("world").measure
    assert measure is not None
    runs = [ArmRun("dpo", n, 0) for n in range(4)]
    numbers = {BASE: (8, 9), "dpo-1-s0": (1, 5), "dpo-2-s0": (4, 9), "dpo-3-s0": (3, 9)}
    scores = {name: _scores(name, *each) for name, each in numbers.items()}
    failed = {"dpo-4-s0": "the loss is not a number"}
    choice = choose(runs, scores, failed, measure(), ArmChoice(keep="recall", lost=0.02))
    assert choice.number == 2
    assert [each.kept and round(each.kept, 2) for each in choice.tried] == [-0.4, 0, 0, None]
    assert choice.tried[3].failed == "the loss is not a number"
    freely = choose(runs, scores, failed, measure(), ArmChoice())
    assert freely.number == 0
    none = choose(runs[:1], scores, failed, measure(), ArmChoice(keep="recall", lost=0.02))
    assert (none.number, none.lost) == (0, True)
    assert choose(runs[3:], scores, failed, measure(), ArmChoice()).number is None


def test_a_failing_arm_is_a_row_and_a_killed_study_resumes_to_the_same_results(
    tiny_llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tiny_llava, seeds=[0, 1])
    trained: list[str] = []

    def train(one: Any, out: Path, progress: Any) -> Path:
        trained.append(out.name.rpartition("-")[0])
        if one.method.type == "ddpo":
            raise UserError("The loss is not a number.", "step 1", "Lower optim.lr.")
        if len(trained) == 2 and not (tmp_path / "killed").exists():
            (tmp_path / "killed").touch()
            raise KeyboardInterrupt
        copytree(tiny_llava, out / "model")
        (out / "model" / "made.json").write_text(out.name)  # another model than the others
        return out / "model"

    monkeypatch.setitem(training.TRAIN, "train", train)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(settings, out)
    made = run(settings, out)
    assert trained.count("dpo-1-s0") == 1  # it was done before the kill
    tables = json.loads(made.results.read_text())
    dpo, ddpo = tables["arms"]
    assert (dpo["seeds"], dpo["settings_tried"], ddpo["seeds"]) == ([0, 1], 2, [])
    assert ddpo["failed"] == {
        "ddpo-1-s0": "The loss is not a number. (step 1)",
        "ddpo-2-s0": "The loss is not a number. (step 1)",
    }
    assert {(d["model"], d["against"]) for d in tables["differences"]} == {("dpo", "base")}
    assert made.table[-1][:4] == ["ddpo", "0", "2", "failed: The loss is not a number. (step 1)"]
    text = made.markdown.read_text()
    assert '| dpo | `{"optim.lr": 1e-05}` |' in text
    assert "## Each seed, development split" in text
    assert "\n| dpo | 1 | " in text
    assert "- ddpo-1-s0: The loss is not a number. (step 1)" in text
    assert "ddpo-1-s0 failed" in made.report.read_text()
    before = len(trained)
    again = run(settings, out)
    assert json.loads(again.results.read_text()) == tables
    assert set(trained[before:]) == {"ddpo-1-s0", "ddpo-2-s0"}  # failures are tried again


def test_an_arm_whose_settings_all_lose_too_much_says_so(tiny_llava: Path, tmp_path: Path) -> None:
    one: dict[str, Any] = {"dpo": {**ARMS["dpo"], "search": [{}]}}
    settings = settings_of(tiny_llava, arms=one, choose={"keep": "kept"})
    made = run(settings, tmp_path / "out")
    says = "No setting of dpo kept enough (kept): the one that lost least was chosen."
    text = made.markdown.read_text()
    assert says in text
    assert says in made.report.read_text()
    assert "| arm | setting | Wrong | Kept: better than the base's by | chosen |" in text
    (row,) = (line for line in text.splitlines() if line.startswith("| dpo | `{"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[3].startswith("\N{MINUS SIGN}")
    assert cells[4] == "yes"


def test_one_metric_of_two_benchmarks_is_told_apart(tiny_llava: Path, tmp_path: Path) -> None:
    one: dict[str, Any] = {"dpo": {**ARMS["dpo"], "search": [{}]}}
    shown = ["weights/greedy:wrong", "weights/t1:wrong", "kept"]
    made = run(settings_of(tiny_llava, arms=one, shown=shown), tmp_path / "out")
    assert made.table[0][3:] == ["Wrong (weights/greedy)", "Wrong (weights/t1)", "Kept"]


def test_the_verdict_is_about_the_metric_that_settings_were_chosen_by(
    tiny_llava: Path, tmp_path: Path
) -> None:
    one: dict[str, Any] = {"dpo": {**ARMS["dpo"], "search": [{}]}}
    settings = settings_of(tiny_llava, arms=one, choose={"metric": "kept"})
    assert run(settings, tmp_path / "kept").verdict.startswith("Kept ")
    settings = settings_of(tiny_llava, arms=one)
    assert run(settings, tmp_path / "usual").verdict.startswith("Wrong")


def test_images_of_the_test_split_that_were_opened_before_are_passed_over() -> None:
    measure = load_source("world").measure
    assert measure is not None
    target = ToMeasure(LabelledModel(model="world:base", label="base"))
    starts: dict[str, int] = {}
    for split in ("development", "test"):
        evaluation = Evaluation.model_validate({"split": split, "test_start": 200})
        step = measure().job(target, evaluation).settings
        assert isinstance(step, EvaluateStep)
        starts[split] = step.evaluation.selection(10).start
    assert starts == {"development": 0, "test": 200}


def test_the_test_split_is_opened_for_one_choice_alone(tiny_llava: Path, tmp_path: Path) -> None:
    one: dict[str, Any] = {"dpo": {**ARMS["dpo"], "search": [{}]}}
    out, notebook = tmp_path / "out", tmp_path / "notebook.md"
    settings = settings_of(tiny_llava, arms=one)
    made = run(settings, out, True, notebook)
    assert json.loads(made.results.read_text())["split"] == "test"
    assert len(notebook.read_text().splitlines()) == 1
    assert [run.name for run in searched(settings)] == ["dpo-1-s0"]
    more = settings_of(tiny_llava, arms={"other": one["dpo"]})
    with pytest.raises(UserError, match="was opened for other arms"):
        run(more, out, True, notebook)
    other_images = settings_of(tiny_llava, arms=one, evaluation={"test_start": 5})
    with pytest.raises(UserError, match="was opened for other arms, settings or images"):
        run(other_images, out, True, notebook)
