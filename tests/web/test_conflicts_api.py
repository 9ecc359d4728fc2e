"""The reviewer's queue over HTTP."""

from pathlib import Path
from typing import Any

import pytest

from annotation_items import TEXT, event, marked, run_of, submit
from groundtune.pipeline.annotate.project import Project, open_project
from running_app import HTTP, app_of


@pytest.fixture
def project(tmp_path: Path) -> Project:
    run_of(tmp_path / "run", [[TEXT], [f"{TEXT} It is day."]])
    made = open_project(tmp_path / "project", {"people_per_item": 2})
    for person, role in (("rita", "reviewer"), ("ada", "annotator"), ("ben", "annotator")):
        made.join(person, person.title(), role)  # pyright: ignore[reportArgumentType]
    made.add_run(tmp_path / "run")
    for person in ("ada", "ben"):
        while work := made.next_work(person, "correct"):
            key, text = work.item.key, work.item.answers[0].text
            made.record(person, [event(key, marked("dog", person, text=text)), submit(key)])
    return made


def following(url: str, **query: str) -> Any:
    return HTTP.get(f"{url}/api/conflicts/next", params=query).json()


def test_a_reviewer_settles_what_people_differ_on(project: Project):
    with app_of(project, person="rita") as url:
        found = following(url)
        conflict = found["conflict"]
        assert found["open"] == 2
        assert {side["spans"][0]["replacement"] for side in conflict["sides"]} == {"ada", "ben"}
        # Whose a side is, is never sent.
        assert all(side.keys().isdisjoint({"person", "name"}) for side in conflict["sides"])
        key = conflict["item"]["key"]
        assert following(url, besides=key)["conflict"]["item"]["key"] != key
        side = {"side": conflict["sides"][0]["key"]}
        assert HTTP.post(f"{url}/api/conflicts/{key}", json=side).json() == {"open": 1}
        again = HTTP.get(f"{url}/api/conflicts/{key}").json()["conflict"]
        assert again["settled"]
        assert (
            again["own"]["spans"][0]["replacement"]
            == conflict["sides"][0]["spans"][0]["replacement"]
        )
        assert "Conflicts to settle: 1" in HTTP.get(f"{url}/").text


def test_annotators_see_no_conflicts_and_settle_none(project: Project):
    with app_of(project, person="ada") as url:
        assert HTTP.get(f"{url}/api/conflicts/next").status_code == 403
        assert HTTP.get(f"{url}/conflicts", headers={"accept": "text/html"}).status_code == 403
        key = project.next_work("rita", "correct")
        assert key is None
        assert "Conflicts" not in HTTP.get(f"{url}/").text


def test_what_is_not_there_is_reported(project: Project):
    with app_of(project, person="rita") as url:
        key = following(url)["conflict"]["item"]["key"]
        assert HTTP.post(f"{url}/api/conflicts/{key}", json={"side": "x"}).status_code == 410
        assert HTTP.post(f"{url}/api/conflicts/nothing", json={"side": "x"}).status_code == 404
        assert HTTP.get(f"{url}/api/conflicts/nothing").status_code == 404
        assert HTTP.post(f"{url}/api/conflicts/{key}", json={"side": 5}).status_code == 422


def test_two_reviewers_settle_no_conflict_twice(project: Project):
    project.join("rob", "Rob", "reviewer")
    with app_of(project, person="rita") as ritas, app_of(project, person="rob") as robs:
        key = following(ritas)["conflict"]["item"]["key"]
        assert following(robs)["conflict"]["item"]["key"] != key
        shown = HTTP.get(f"{robs}/api/conflicts/{key}").json()["conflict"]
        assert (shown["held"], shown["settled"]) == (True, False)
        side = {"side": shown["sides"][0]["key"]}
        refused = HTTP.post(f"{robs}/api/conflicts/{key}", json=side)
        assert refused.status_code == 423
        assert refused.json()["what"] == "Another reviewer has this conflict at the moment."
        assert HTTP.post(f"{ritas}/api/conflicts/{key}", json=side).status_code == 200
        late = HTTP.post(f"{robs}/api/conflicts/{key}", json=side)
        assert late.status_code == 410
        assert "has settled this conflict" in late.json()["what"]
        known = {**side, "settled": True}
        assert HTTP.post(f"{robs}/api/conflicts/{key}", json=known).status_code == 200
