"""The study: which runs there are, what they share, and a very small one in whole."""

import json
from collections import Counter
from pathlib import Path

import pytest

from groundtune.errors import UserError
from groundtune.pipeline.recipes.registry import find
from groundtune.pipeline.world.study.run import rewrite_study, study, study_plan
from groundtune.pipeline.world.study.settings import StudySettings, Variant, variants
from groundtune.recipe_loading import load
from groundtune.report.tried import tried_text
from job_works import Notes


def settings_of(model: Path, *overrides: str) -> StudySettings:
    """The shipped recipe with another base."""
    return load(find("world-study"), [f"model={model}", *overrides], StudySettings)


@pytest.mark.parametrize(
    ("tried", "text"),
    [
        (
            {"ddpo": 52, "dpo": 12},
            "DDPO 52, DPO 12. More tries flatter a method, so this is not ",
        ),
        ({"ddpo": 3, "dpo": 3}, "3 each."),
        ({"ddpo": None, "dpo": None}, "not recorded."),
        ({"ddpo": None, "dpo": 3}, "DDPO not recorded, DPO 3."),
        ({"base": 3}, "3."),
        ({"base": None}, "not recorded."),
    ],
)
def test_a_report_says_how_many_settings_were_tried(
    tried: dict[str, int | None], text: str
) -> None:
    said = tried_text(tried)
    assert said.startswith(f"Settings tried before these were chosen: {text}")


def kinds(settings: StudySettings) -> Counter[str]:
    return Counter(job.name.partition("-")[0] for job in study_plan(settings).jobs)


def test_the_shipped_study_is_what_the_documentation_says(tiny_llava: Path) -> None:
    settings = settings_of(tiny_llava)
    every = variants(settings)
    assert len(every) == len(set(every)) == 6 + 9 + 9
    assert Variant("base", "dpo", 2, 1400, 0.0) in every
    assert {v.corrections for v in every} == {50, 200, 700, 1400}
    assert {v.error_rate for v in every} == {0.0, 0.1, 0.2, 0.3}


def test_runs_share_answers_corrections_and_the_bases_evaluation(tiny_llava: Path) -> None:
    assert kinds(settings_of(tiny_llava)) == {
        "ask": 3,
        "correct": 3 + 9 + 9,
        "train": 24,
        "evaluate": 24 + 1,
    }


def test_another_base_adds_only_its_own_runs(tiny_llava: Path, tmp_path: Path) -> None:
    one = study_plan(settings_of(tiny_llava))
    two = study_plan(settings_of(tiny_llava, f"other_bases={{two: {tiny_llava}}}"))
    assert {job.name for job in one.jobs} < {job.name for job in two.jobs}
    added = {name for name in two.scores if name not in one.scores}
    assert added == {"two", "ddpo-two-s0-n1400-e0", "dpo-two-s0-n1400-e0"}


def test_other_settings_of_learning_are_other_runs_of_the_same_corrections(
    tiny_llava: Path,
) -> None:
    one = {job.name for job in study_plan(settings_of(tiny_llava)).jobs}
    two = {job.name for job in study_plan(settings_of(tiny_llava, "learn.dpo.epochs=9")).jobs}
    assert Counter(name.partition("-")[0] for name in two - one) == {"train": 3, "evaluate": 3}


def test_the_test_split_stays_closed_without_a_notebook(tiny_llava: Path, tmp_path: Path) -> None:
    settings = settings_of(tiny_llava, "evaluation.split=test")
    with pytest.raises(UserError, match="closed"):
        study(settings, tmp_path / "out", Notes(), workers=1)
    assert not (tmp_path / "out").exists()


def test_a_small_study_ends_in_tables_curves_and_one_line_in_the_notebook(
    tiny_llava: Path, tmp_path: Path
) -> None:
    small = (
        "prompts=60",
        "corrections=4",
        "sampling.max_new_tokens=30",
        "evaluation={captions: 5, questions: 2, split: test}",
        "learn={ddpo: {max_steps: 1}, dpo: {max_steps: 1}}",
        "seeds=[0]",
        "curve_seeds=[0]",
        "curve=[2]",
        "error_rates=[]",
        f"other_bases={{two: {tiny_llava}}}",
        "other_seeds=[]",
        f"clean_twin={tiny_llava}",
    )
    settings, notebook = settings_of(tiny_llava, *small), tmp_path / "notebook.md"
    out = tmp_path / "out"
    study(settings, out, Notes(), workers=1, notebook=notebook, command=["it"])
    made = study(settings, out, Notes(), workers=1, notebook=notebook, command=["it"])
    tables = json.loads(made.results.read_text())
    assert [point["x"] for point in tables["corrections"]] == [2, 4]
    assert {row["model"] for row in tables["pooled"]} == {"ddpo", "dpo"}
    assert {row["metric"] for row in tables["bases"]} & {"control", "in_context"}
    assert {row["model"] for row in tables["bases"]} == {"base", "two", "clean twin"}
    assert "| corrections |" in made.markdown.read_text()
    (line,) = notebook.read_text().splitlines()
    assert "the test split was opened" in line
    page = made.report.read_text()
    tried = "Settings tried before these were chosen: DDPO 52, DPO 12."
    assert tried in made.markdown.read_text()
    assert page.count(tried) == 2  # below the verdict, and in what the page does not show
    made.report.unlink()
    assert rewrite_study(out).read_text() == page
