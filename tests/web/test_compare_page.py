"""The Compare screen in a Chromium."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from annotation_items import TEXT, run_of
from annotation_page import CONTROL, click, drag, open_screen, press, saved
from groundtune.pipeline.annotate.project import open_project
from groundtune.pipeline.annotate.results import finished_work
from headless import Page, chromium
from running_app import app_of

pytestmark = pytest.mark.web


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as found:
        yield found


@pytest.mark.parametrize("width", [390, 1280])
def test_two_answers_are_marked_and_compared(page: Page, tmp_path: Path, width: int):
    run_of(tmp_path / "run", [[TEXT, "A fox on a sofa."], ["One.", "Two."]])
    project = open_project(tmp_path / "project")
    project.join("ada", "Ada", "owner")
    project.add_run(tmp_path / "run", "compare")
    with app_of(project) as url:
        open_screen(page, f"{url}/task/compare", width=width)
        side = page.run(
            "[...document.querySelectorAll('.answer')].findIndex("
            "(each) => each.textContent.includes('fox'))"
        )
        drag(page, "fox", "fox")
        press(page, "1")
        assert page.run("document.getElementById('finish').disabled")
        press(page, "b" if side else "a")  # it invents more
        click(page, f"#better button:nth-child({1 if side else 2})")  # the other is better
        assert page.run("document.documentElement.scrollWidth") <= width
        press(page, "Enter", CONTROL)
        page.until("document.getElementById('answer-0').textContent.length < 5")
        saved(page)
        (comparison,) = finished_work(project).comparisons
        fox, other = ("second", "first") if side else ("first", "second")
        assert (comparison.hallucinates_more, comparison.better) == (fox, other)
        marks = comparison.second_spans if side else comparison.first_spans
        assert [(mark.start, mark.kind) for mark in marks] == [(2, "object")]
        assert page.complaints == []
