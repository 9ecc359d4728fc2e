"""The page of conflicts in a browser: by keys alone, and on a phone."""

from pathlib import Path

import pytest

from annotation_items import TEXT, event, marked, run_of, submit
from annotation_page import press
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.pipeline.annotate.results import finished_work
from headless import chromium
from running_app import app_of

pytestmark = pytest.mark.web
SIDES = "document.querySelectorAll('.sides .card').length === 2"


def filled(path: Path) -> Project:
    run_of(path / "run", [[f"{TEXT} {n}" for n in range(3)]])
    project = open_project(path / "project", {"people_per_item": 2})
    project.join("ada", "Ada", "owner")
    for person in ("ben", "cleo"):
        project.join(person, person.title(), "annotator")
    project.add_run(path / "run")
    for person in ("ben", "cleo"):
        while work := project.next_work(person, "correct"):
            key, text = work.item.key, work.item.answers[0].text
            project.record(person, [event(key, marked("dog", person, text=text)), submit(key)])
    return project


def test_conflicts_are_settled_by_keys_alone(tmp_path: Path):
    project = filled(tmp_path)
    with app_of(project) as url, chromium() as page:
        page.open(f"{url}/conflicts")
        page.until(SIDES)
        for left in (2, 1):
            press(page, "1")
            page.until(f"document.getElementById('progress').textContent.startsWith('{left} ')")
        press(page, "u")  # back to the last one, and the other side of it
        page.until("document.getElementById('state').textContent !== ''")
        assert page.run("document.querySelectorAll('.card.taken').length") == 1
        other = 2 if page.run("document.querySelector('.card').classList.contains('taken')") else 1
        before = page.run(f"document.querySelectorAll('.card')[{other - 1}].innerText")
        press(page, str(other))
        page.until("document.getElementById('state').textContent === ''")
        press(page, "2")
        page.until("!document.getElementById('finished').hidden")
        assert page.complaints == []
    found = [each for each in finished_work(project).corrections if each.by.name == "ada"]
    assert len(found) == 3
    assert sum(each.spans[0].replacement in before for each in found if each.spans) >= 1


def test_on_a_phone_sides_are_below_each_other(tmp_path: Path):
    with app_of(filled(tmp_path)) as url, chromium() as page:
        page.look(390, 780)
        page.open(f"{url}/conflicts")
        page.until(SIDES)
        assert page.run("document.documentElement.scrollWidth") <= 390
        tops = page.run("[...document.querySelectorAll('.card')].map((e) => e.offsetTop)")
        assert tops[0] < tops[1]
        page.tab.click(".card >> nth=1 >> button")
        page.until("document.getElementById('progress').textContent.startsWith('2 ')")
        assert page.complaints == []
