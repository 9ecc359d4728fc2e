"""The screen for thumbs, in a Chromium: one key per answer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from annotation_items import TEXT, run_of
from annotation_page import press, saved
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
def test_a_key_judges_an_answer_and_brings_the_next(page: Page, tmp_path: Path, width: int):
    run_of(tmp_path / "run", [[TEXT], ["A cat."]])
    project = open_project(tmp_path / "project")
    project.join("ada", "Ada", "owner")
    project.add_run(tmp_path / "run", "thumb")
    with app_of(project) as url:
        page.look(width, 900)
        page.open(f"{url}/task/thumb")
        page.until(f"document.getElementById('answer-0')?.textContent === {TEXT!r}")
        press(page, "n")
        page.until("document.getElementById('answer-0').textContent === 'A cat.'")
        page.run("document.getElementById('good').click()")
        page.until("!document.getElementById('finished').hidden")
        saved(page)
        assert page.run("document.documentElement.scrollWidth") <= width
        assert page.complaints == []
    assert {each.text: each.good for each in finished_work(project).thumbs} == {
        TEXT: False,
        "A cat.": True,
    }
