"""The Evaluate screen and the live rates, in a Chromium: answers of two models, blind and mixed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from annotation_items import TEXT, answer_of, run_of
from annotation_page import CONTROL, drag, open_screen, press, saved, shown
from groundtune.cli.app import run
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.pipeline.annotate.rates import one_each
from groundtune.pipeline.annotate.results import finished_work
from groundtune.pipeline.runs.folder import RunFolder
from headless import Page, chromium
from running_app import HTTP, app_of

pytestmark = pytest.mark.web


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as found:
        yield found


def two_models(tmp_path: Path, number: int) -> Project:
    """A project with `number` answers of each of two models to the same prompts."""
    base = run_of(tmp_path / "base", [[TEXT]] * number)
    tuned = RunFolder(tmp_path / "tuned")
    tuned.take_prompts(base, base.prompts.read())
    tuned.answers.append(
        [answer_of(prompt, "A cat.", model="tuned") for prompt in base.prompts.read()]
    )
    project = open_project(tmp_path / "project")
    project.join("ada", "Ada", "owner")
    for name in ("base", "tuned"):
        assert project.add_run(tmp_path / name, "evaluate") == number
    return project


@pytest.mark.parametrize("width", [390, 1280])
def test_answers_of_two_models_are_marked_blind_and_the_rates_are_those_of_the_benchmark(
    page: Page, tmp_path: Path, width: int
):
    project = two_models(tmp_path, 5)
    order: list[str] = []
    with app_of(project) as url:
        open_screen(page, f"{url}/task/evaluate", width=width)
        for _ in range(10):
            text = shown(page, "#answer-0")
            order.append(text)
            assert "tuned" not in page.tab.content()
            if text == TEXT:
                drag(page, "dog", "dog")
                press(page, "1")
                drag(page, "two", "two")
                press(page, "3")
                assert shown(page, "#finish") == "Finish: 2 wrong"
            before = page.run("document.getElementById('progress').textContent")
            press(page, "Enter", CONTROL)
            page.until(f"document.getElementById('progress').textContent !== {before!r}")
        page.until("!document.getElementById('finished').hidden")
        saved(page)
        assert page.complaints == []
        page.open(f"{url}/rates")
        page.until("document.querySelectorAll('.model').length === 2")
        base, tuned = page.run(
            "[...document.querySelectorAll('.model tr:first-child .value')].map(e => e.textContent)"
        )
        assert (base, tuned) == ("100.0%", "0.0%")
        assert page.run("document.documentElement.scrollWidth") <= width
        rates = HTTP.get(f"{url}/api/figures").json()["models"]
    assert order != sorted(order)
    assert order != sorted(order, reverse=True)
    assert len(one_each(finished_work(project))) == 10
    marks = tmp_path / "marks.jsonl"
    assert run(["export", "mhumaneval", str(project.path), "--out", str(marks)]) == 0
    words = ["bench", "score", "mhumaneval", str(marks), "--out", str(tmp_path / "scores")]
    assert run(words) == 0
    summary = json.loads((tmp_path / "scores" / "summary.json").read_text())
    expected = {(e["model"], e["metric"]): (e["value"], e["low"], e["high"]) for e in summary}
    found = {
        (model["model"], rate["metric"]): (rate["value"], rate["low"], rate["high"])
        for model in rates
        for rate in model["rates"]
    }
    assert found == expected


def test_an_answer_that_can_not_be_told_is_neither_right_nor_wrong(page: Page, tmp_path: Path):
    project = two_models(tmp_path, 1)
    with app_of(project) as url:
        open_screen(page, f"{url}/task/evaluate")
        press(page, "c")
        page.until("document.getElementById('progress').textContent.startsWith('1 of 2')")
        press(page, "Enter", CONTROL)
        page.until("!document.getElementById('finished').hidden")
        saved(page)
        unsure = {each["unsure"] for each in HTTP.get(f"{url}/api/figures").json()["models"]}
    assert unsure == {0, 1}
