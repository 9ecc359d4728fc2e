"""The quality page in a browser: what it shows, on a desktop and a phone."""

from pathlib import Path

import pytest

from annotation_items import TEXT, event, marked, run_of, submit
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.store.annotations.items import all_items
from groundtune.store.annotations.same_claims import ReplacementCheck, set_claim_check
from headless import chromium
from running_app import app_of

pytestmark = pytest.mark.web
ALL_THERE = "document.getElementById('total').textContent === '' && document.querySelector('.card')"


def filled(path: Path) -> Project:
    run_of(path / "run", [[f"{TEXT} {n}" for n in range(12)]])
    project = open_project(path / "project", {"people_per_item": 2, "hourly_rate": 20})
    project.join("ada", "Ada", "owner")
    project.join("ben", "Ben", "annotator")
    project.add_run(path / "run")
    for person in ("ada", "ben"):
        while work := project.next_work(person, "correct"):
            key, text = work.item.key, work.item.answers[0].text
            bodies = [marked("dog", "fox", text=text)] if person == "ada" else []
            project.record(person, [*(event(key, body) for body in bodies), submit(key)])
    return project


def test_figures_have_names_and_people_can_be_opened(tmp_path: Path):
    with app_of(filled(tmp_path)) as url, chromium() as page:
        for width in (1280, 390):
            page.look(width, 800)
            page.open(f"{url}/quality")
            page.until(ALL_THERE)
            text = page.run("document.getElementById('tasks').innerText")
            assert "12 of 12 finished" in text
            assert "What is marked (alpha)" in text
            assert "0.01 " in text or "0.01\n" in text  # the cost of 2.5 seconds
            page.tab.click("summary >> text=Ada")
            page.until("document.querySelector('details[open] tr.apart') !== null")
            assert "Answers called wrong" in page.run(
                "document.querySelector('tr.apart').innerText"
            )
            assert page.run("document.documentElement.scrollWidth") <= width
            assert page.complaints == []


def test_the_page_says_how_replacements_were_compared(tmp_path: Path):
    project = filled(tmp_path)
    with project.database.reading() as connection:
        keys = [item.key for item in all_items(connection)][:2]
    for key in keys:  # ben replaces it too
        text = TEXT
        project.record("ben", [event(key, marked("dog", "wolf", text=text)), submit(key)])
    with app_of(project) as url, chromium() as page:
        page.look(1280, 800)
        page.open(f"{url}/quality")
        page.until(ALL_THERE)
        text = page.run("document.getElementById('tasks').innerText")
        assert "count only if their texts are the same" in text
        assert "groundtune project claims PROJECT --labeler MODEL" in text
        check = ReplacementCheck(labeler="tall-model", divider="sentences", settings={}, by="b")
        with project.database.writing() as connection:
            set_claim_check(connection, check)
        page.until("document.getElementById('tasks').innerText.includes('tall-model')")
        text = page.run("document.getElementById('tasks').innerText")
        assert "sentences divided them into claims" in text
        assert "2 replacements wait" in text
        assert page.complaints == []
