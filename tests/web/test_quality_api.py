"""The figures of the quality page, over HTTP: for owners only."""

from pathlib import Path
from typing import Any

import pytest

from annotation_items import TEXT, event, marked, run_of, submit
from groundtune.pipeline.annotate.project import Project, open_project
from running_app import HTTP, app_of


@pytest.fixture
def project(tmp_path: Path) -> Project:
    run_of(tmp_path / "run", [[TEXT], ["A cat."]])
    made = open_project(tmp_path / "project", {"people_per_item": 2})
    made.join("ada", "Ada", "owner")
    made.join("ben", "<script>alert(1)</script>", "annotator")
    made.join("rita", "Rita", "reviewer")
    made.add_run(tmp_path / "run")
    for person in ("ada", "ben"):
        work = made.next_work(person, "correct")
        assert work is not None
        key = work.item.key
        made.record(person, [event(key, marked("dog", person)), submit(key)])
    return made


def all_read(url: str) -> dict[str, Any]:
    while (found := HTTP.get(f"{url}/api/quality").json())["unread"]:
        pass
    return found


def test_the_owner_sees_agreement_and_people(project: Project):
    with app_of(project) as url:
        (task,) = all_read(url)["tasks"]
        figures = {each["name"]: each for each in task["agreement"]}
        assert (figures["f1"]["value"], figures["f1"]["n"]) == (1.0, 1)
        assert figures["same_text"]["value"] == 0.0
        assert {each["name"] for each in task["people"]} == {"Ada", "<script>alert(1)</script>"}
        assert "<script>alert" not in HTTP.get(f"{url}/quality").text
        assert 'href="/quality"' in HTTP.get(f"{url}/").text


@pytest.mark.parametrize("person", ["ben", "rita"])
def test_nobody_else_does(project: Project, person: str):
    with app_of(project, person=person) as url:
        assert HTTP.get(f"{url}/api/quality").status_code == 403
        assert HTTP.get(f"{url}/quality", headers={"accept": "text/html"}).status_code == 403
        assert 'href="/quality"' not in HTTP.get(f"{url}/").text


def test_kinds_are_shown_in_the_person_s_language(project: Project):
    with app_of(project) as url:
        found = HTTP.get(f"{url}/api/quality", headers={"accept-language": "de"}).json()
        assert found["kinds"]["object"] == "Objekt"
