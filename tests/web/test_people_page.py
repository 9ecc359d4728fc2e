"""The owner's people: invitations, roles, access, removal, the audit trail, over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from annotation_items import event, marked, submit
from groundtune.pipeline.annotate.project import Project
from groundtune.web.access import Door
from running_app import app_of
from team import PASSWORD, browser, logged_in, team_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return team_project(tmp_path)


@pytest.fixture
def url(project: Project) -> Iterator[str]:
    with app_of(project, door=Door()) as found:
        yield found


@pytest.fixture
def ada(url: str) -> httpx.Client:
    return logged_in(url, "Ada")


def people_of(owner: httpx.Client) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in owner.get("/api/people").json()["people"]}


def actions(owner: httpx.Client) -> list[tuple[str, str, str]]:
    """Who did what to whom, the newest first."""
    found = owner.get("/api/audit").json()["entries"]
    return [(each["by"], each["action"], each["subject"]) for each in found]


OWNERS = [
    ("GET", "/people"),
    ("GET", "/audit"),
    ("GET", "/api/people"),
    ("GET", "/api/audit"),
    ("GET", "/api/people/{id}/data"),
    ("POST", "/api/invitations"),
    ("POST", "/api/links/{id}/withdraw"),
    ("POST", "/api/people/{id}/link"),
    ("POST", "/api/people/{id}/role"),
    ("POST", "/api/people/{id}/close"),
    ("POST", "/api/people/{id}/reopen"),
    ("POST", "/api/people/{id}/remove"),
]


def test_only_owners_reach_what_is_theirs(url: str, ada: httpx.Client):
    target = people_of(ada)["Cy"]["id"]
    before = people_of(ada)
    everybody = {"Bo": 403, "Rev": 403, "": 401}
    for name, status in everybody.items():
        other = logged_in(url, name) if name else browser(url)
        for method, path in OWNERS:
            body = {"role": "owner", "keep_work": False}
            response = other.request(method, path.format(id=target), json=body)
            assert response.status_code == status, (name, path)
    after = people_of(ada)
    assert {name: each["role"] for name, each in after.items()} == {
        name: each["role"] for name, each in before.items()
    }


def test_every_route_of_the_owner_is_in_the_list(url: str):
    paths = browser(url).get("/openapi.json").json()["paths"]
    named = {path for path in paths if path.startswith(("/api/people", "/api/links", "/api/inv"))}
    listed = {
        path.replace("{id}", "{link}" if "links" in path else "{person}") for _, path in OWNERS
    }
    assert named <= listed


def test_an_owner_invites_and_withdraws(url: str, ada: httpx.Client):
    token = ada.post("/api/invitations", json={"role": "annotator", "uses": 2}).json()["token"]
    (link,) = ada.get("/api/people").json()["links"]
    assert (link["uses"], link["name"]) == (2, "")
    join = {"token": token, "name": "Di", "password": PASSWORD}
    assert browser(url).post("/api/join", json=join).status_code == 200
    assert people_of(ada)["Di"]["role"] == "annotator"
    assert ada.post(f"/api/links/{link['id']}/withdraw").status_code == 200
    assert browser(url).post("/api/join", json=join | {"name": "Ed"}).status_code == 410
    assert ada.post(f"/api/links/{link['id']}/withdraw").status_code == 410
    trail = actions(ada)
    assert trail[:3] == [
        ("Ada", "link_withdrawn", ""),
        ("Di", "joined", "Di"),
        ("Ada", "invited", ""),
    ]
    assert ada.post("/api/invitations", json={"uses": 0}).status_code == 422


def test_a_role_holds_at_once_and_an_owner_stays(url: str, ada: httpx.Client):
    bo, people = logged_in(url, "Bo"), people_of(ada)
    path = f"/api/people/{people['Bo']['id']}"
    assert bo.get("/api/figures").status_code == 403
    assert ada.post(f"{path}/role", json={"role": "reviewer"}).status_code == 200
    assert bo.get("/api/figures").status_code == 200
    own = f"/api/people/{people['Ada']['id']}"
    for step, body in (("role", {"role": "annotator"}), ("close", {}), ("remove", KEEP)):
        refused = ada.post(f"{own}/{step}", json=body)
        assert refused.status_code == 409, step
        assert "no owner" in refused.json()["what"]
    assert ada.post(f"{path}/role", json={"role": "owner"}).status_code == 200
    assert ada.post(f"{own}/role", json={"role": "annotator"}).status_code == 200
    assert ada.get("/api/people").status_code == 403


KEEP = {"keep_work": True}


def test_ended_access_ends_sessions_and_links_and_can_be_given_back(url: str, ada: httpx.Client):
    bo = logged_in(url, "Bo")
    path = f"/api/people/{people_of(ada)['Bo']['id']}"
    token = ada.post(f"{path}/link").json()["token"]
    assert ada.post(f"{path}/close").status_code == 200
    assert bo.get("/api/project").status_code == 401
    join = {"token": token, "password": PASSWORD}
    assert browser(url).post("/api/join", json=join).status_code == 410
    login = {"name": "Bo", "password": PASSWORD}
    assert browser(url).post("/api/login", json=login).status_code == 401
    assert people_of(ada)["Bo"]["closed"] > 0
    assert ada.post(f"{path}/reopen").status_code == 200
    logged_in(url, "Bo")
    assert bo.get("/api/project").status_code == 401  # the old session stays ended


@pytest.mark.parametrize("keep_work", [True, False])
def test_a_person_is_removed_and_what_went_is_listed(url: str, ada: httpx.Client, keep_work: bool):
    bo = logged_in(url, "Bo")
    key = bo.get("/api/next?task=correct").json()["work"]["key"]
    events = [event(key, marked("dog", "fox")), submit(key)]
    body = {"events": [each.model_dump(mode="json") for each in events]}
    assert len(bo.post("/api/events", json=body).json()["stored"]) == 2
    person = people_of(ada)["Bo"]
    assert (person["done"], person["sessions"]) == (1, 1)
    path = f"/api/people/{person['id']}"
    assert ada.get(f"{path}/data").json()["events"] == 2
    gone = ada.post(f"{path}/remove", json={"keep_work": keep_work}).json()
    assert gone["deleted"].get("events", 0) == (0 if keep_work else 2)
    assert gone["name"].startswith("Removed person ")
    assert "Bo" not in ada.get("/api/people").text + ada.get("/api/audit").text
    assert people_of(ada)[gone["name"]]["done"] == (1 if keep_work else 0)
    assert bo.get("/api/project").status_code == 401
    assert ada.get(f"{path}/data").status_code == 404
    by, action, subject = actions(ada)[0]
    expected = "pseudonymised" if keep_work else "data_deleted"
    assert (by, action, subject) == ("Ada", expected, gone["name"])
    # Somebody else may have the name now, and is another person.
    token = ada.post("/api/invitations", json={}).json()["token"]
    join = {"token": token, "name": "Bo", "password": PASSWORD}
    new = browser(url)
    assert new.post("/api/join", json=join).status_code == 200
    assert new.get("/api/project").json()["counts"]["correct"]["done"] == 0


def test_the_audit_trail_is_read_in_pages(url: str, ada: httpx.Client):
    for _ in range(3):
        ada.post("/api/invitations", json={})
    first = ada.get("/api/audit?limit=2").json()
    assert (len(first["entries"]), first["more"]) == (2, True)
    before = first["entries"][-1]["id"]
    second = ada.get(f"/api/audit?limit=200&before={before}").json()
    assert second["more"] is False
    assert second["entries"][0]["id"] < before
    assert second["entries"][-1]["by"] == ""  # the command line


def test_failed_logins_are_shown(url: str, ada: httpx.Client):
    wrong = {"name": "Bo", "password": "wrong password"}
    browser(url).post("/api/login", json=wrong)
    assert ada.get("/api/people").json()["failures"] == {"total": 1, "unknown": 0, "addresses": 1}
