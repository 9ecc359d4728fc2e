"""What an attacker tries: others' work, stolen sessions, other sites, markup, paths, sizes."""

import json
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from annotation_items import TEXT, event, marked, run_of, submit, undo
from groundtune.pipeline.annotate.people import add_account
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.store.annotations import sessions
from groundtune.store.annotations.records import SetNote
from groundtune.web.access import Door
from running_app import app_of
from team import PASSWORD, browser, logged_in, team_project

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return team_project(tmp_path)


@pytest.fixture
def url(project: Project) -> Iterator[str]:
    with app_of(project, door=Door()) as found:
        yield found


def send(client: httpx.Client, *events: Any) -> dict[str, Any]:
    body = {"events": [each.model_dump(mode="json") for each in events]}
    return client.post("/api/events", json=body).json()


def test_another_annotators_work_is_neither_seen_nor_changed(url: str, project: Project):
    bo, cy, rev = (logged_in(url, name) for name in ("Bo", "Cy", "Rev"))
    key = bo.get("/api/next?task=correct").json()["work"]["key"]
    first, note = event(key, marked("dog", "fox")), event(key, SetNote(note="Bo's own words"))
    send(bo, first, note, submit(key))
    # Cy gets it neither by asking for the next one, nor in the list, nor by its address.
    seen = cy.get("/api/next?task=correct").json()["work"]
    assert seen["key"] != key
    assert [each["key"] for each in cy.get("/api/items").json()["items"]] == [seen["key"]]
    refused = cy.get(f"/api/items/{key}")
    assert (refused.status_code, refused.json()["what"]) == (403, "Another person has this item.")
    assert "Bo's own words" not in refused.text
    # Nor can Cy take Bo's events back, or write under their ids.
    told = send(cy, undo(first), first.model_copy(update={"body": SetNote(note="Cy's")}))
    assert (told["stored"], told["known"]) == ([], [first.id])
    assert len(told["refused"]) == 1
    work = bo.get(f"/api/items/{key}").json()["work"]["events"]
    assert [each["body"]["type"] for each in work] == ["span", "note", "submit"]
    # A reviewer opens it, with events of their own.
    assert rev.get(f"/api/items/{key}").json()["work"]["events"] == []
    assert key in {each["key"] for each in rev.get("/api/items").json()["items"]}


def test_work_that_comes_late_is_kept_although_another_person_has_the_item_now(
    url: str, project: Project
):
    bo, cy = logged_in(url, "Bo"), logged_in(url, "Cy")
    key = bo.get("/api/next?task=correct").json()["work"]["key"]
    database = sqlite3.connect(project.path / "annotations.sqlite")
    database.execute("UPDATE assignments SET until = 1")
    database.commit()
    assert cy.get("/api/next?task=correct").json()["work"]["key"] == key
    assert bo.get(f"/api/items/{key}").status_code == 403
    assert len(send(bo, event(key, marked("dog", "fox")))["stored"]) == 1
    assert bo.get(f"/api/items/{key}").status_code == 200


def test_a_session_is_no_use_once_it_is_over_or_ended(url: str, project: Project):
    bo = logged_in(url, "Bo")
    stolen = dict(bo.cookies)
    (name, token), thief = next(iter(stolen.items())), browser(url)
    thief.cookies.set(name, token)
    assert thief.get("/api/project").status_code == 200  # a whole cookie is a key
    bo.post("/api/logout")
    assert thief.get("/api/project").status_code == 401
    for forged in (sessions.id_of_token(token), token[:-1], token.swapcase(), "x" * 5000, ""):
        thief.cookies.clear()
        thief.cookies.set(name, forged)
        assert thief.get("/api/project").status_code == 401, forged
    late = logged_in(url, "Bo")
    database = sqlite3.connect(project.path / "annotations.sqlite")
    database.execute("UPDATE sessions SET seen = ?", [time.time() - 8 * 86_400])
    database.commit()
    assert late.get("/api/project").status_code == 401
    database.execute("UPDATE sessions SET seen = ?, created = ?", [time.time(), 1.0])
    database.commit()
    assert late.get("/api/project").status_code == 401


def test_a_session_of_one_project_opens_no_other(tmp_path: Path, url: str):
    other = open_project(tmp_path / "other")
    add_account(other.database, "Bo", "owner", PASSWORD)
    with app_of(other, door=Door()) as elsewhere:
        thief = browser(elsewhere)
        token = next(iter(logged_in(url, "Bo").cookies.values()))
        for name in dict(logged_in(elsewhere, "Bo").cookies):
            thief.cookies.set(name, token)
        assert thief.get("/api/project").status_code == 401


CHANGES = [
    "/api/login",
    "/api/logout",
    "/api/join",
    "/api/events",
    "/api/language",
    "/api/account/password",
    "/api/invitations",
    "/api/people/x/remove",
]


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_no_other_site_changes_anything_in_a_persons_name(url: str, site: str):
    ada = logged_in(url, "Ada")
    for path in CHANGES:
        refused = ada.post(path, json={}, headers={"sec-fetch-site": site})
        assert (refused.status_code, "another site" in refused.json()["what"]) == (403, True)
        older = ada.post(path, json={}, headers={"origin": "https://evil.example"})
        assert older.status_code == 403, path
    assert ada.get("/api/project").status_code == 200
    fetched = ada.get("/api/people", headers={"sec-fetch-site": site})
    assert fetched.status_code == (200 if site == "none" else 403)
    assert "access-control-allow-origin" not in fetched.headers


def test_behind_a_proxy_the_apps_own_address_may_change_things(project: Project):
    with app_of(project, door=Door(url="https://annotate.example.org", proxies=1)) as url:
        login = {"name": "Bo", "password": PASSWORD}
        for origin, status in (
            ("https://annotate.example.org", 200),
            ("https://annotate.example.org.evil.example", 403),
            ("https://evil.example", 403),
            ("null", 403),
        ):
            sent = {"origin": origin, "x-forwarded-for": "203.0.113.7"}
            assert browser(url).post("/api/login", json=login, headers=sent).status_code == status


@pytest.fixture
def hostile(tmp_path: Path) -> Project:
    """Markup wherever a person can put it."""
    run_of(tmp_path / "run", [[SCRIPT + IMAGE]], facts=(SCRIPT,))
    made = open_project(
        tmp_path / f"farm {IMAGE.replace('/', '')}",
        {"kinds": [{"name": f"{SCRIPT}x", "counts_as": "object", "hint": IMAGE}]},
    )
    (made.path / "guidelines.md").write_text(
        f"# {SCRIPT}\n\n[a](javascript:alert(1)) ![b](javascript:alert(1)) {IMAGE}\n", "utf-8"
    )
    made.add_run(tmp_path / "run")
    add_account(made.database, IMAGE, "owner", PASSWORD)
    add_account(made.database, SCRIPT, "annotator", PASSWORD)
    return made


def test_markup_in_answers_names_and_guidelines_is_text(hostile: Project):
    with app_of(hostile, door=Door()) as url:
        owner = logged_in(url, IMAGE)
        for path in ("/", "/task/correct", "/account", "/people", "/audit", "/rates"):
            page = owner.get(path).text
            assert "<script>alert" not in page
            assert "<img src=x" not in page
            assert 'href="javascript:' not in page
            assert 'src="javascript:' not in page
        # The JSON has it as it is, and can't be taken for a page.
        for path in ("/api/people", "/api/next?task=correct", "/api/project"):
            response = owner.get(path)
            assert response.headers["content-type"] == "application/json"
            assert response.headers["x-content-type-options"] == "nosniff"
        asked = {"accept": "text/html"}
        for path in (f"/task/{SCRIPT}", f"/{IMAGE}", f"/login?to={SCRIPT}"):
            assert SCRIPT not in owner.get(path, headers=asked).text


PATHS = [
    "/images/..%2fannotations.sqlite",
    "/images/%2e%2e/annotations.sqlite",
    "/images/....//annotations.sqlite",
    "/images/%00",
    "/static/..%2fapp.py",
    "/static/%2e%2e/%2e%2e/pipeline/annotate/project.py",
    "/static//etc/passwd",
    "/static/..\\app.py",
    "/strings/en.toml",
    "/task/..%2f..%2fetc%2fpasswd",
    "/../../../../etc/passwd",
]


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_out_of_what_is_served(url: str, project: Project, path: str):
    """Sent as it is: a client would tidy the path up."""
    cookie = "; ".join(f"{name}={value}" for name, value in logged_in(url, "Ada").cookies.items())
    address = urlsplit(url)
    head = f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nCookie: {cookie}\r\n"
    with socket.create_connection((address.hostname, address.port), 20) as client:
        client.sendall(f"{head}Connection: close\r\n\r\n".encode())
        found = b""
        while data := client.recv(65_536):
            found += data
    status = int(found.split(b" ", 2)[1])
    assert status in (400, 404, 422)
    for leak in (b"SQLite format", b"import ", b"root:", b"[page]"):
        assert leak not in found


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("/api/events", 4 * 2**20 + 1, 413),
        ("/api/login", 64 * 2**10 + 1, 413),
        ("/api/join", 64 * 2**10 + 1, 413),
        ("/api/login", 64 * 2**10, 422),
    ],
)
def test_an_oversized_body_is_refused_before_it_is_read(
    url: str, path: str, size: int, status: int
):
    body = json.dumps({"name": "x"}).encode().ljust(size)
    response = logged_in(url, "Bo").post(path, content=body)
    assert (response.status_code, set(response.json())) == (status, {"what", "where", "fix"})


def test_a_body_without_a_length_is_refused(url: str):
    pieces = iter([b"{}"])
    response = browser(url).post("/api/login", content=pieces)
    assert (response.status_code, "no length" in response.json()["what"]) == (413, True)


@pytest.mark.parametrize("length", ["-1", "1e9", "\xb2", "9" * 5000, "9" * 19])
def test_a_length_that_is_none_is_refused(url: str, length: str):
    address = urlsplit(url)
    head = f"POST /api/login HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {length}\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), 20) as client:
        client.sendall(head.encode("latin-1"))
        assert client.recv(65_536).split(b" ", 2)[1] in (b"400", b"413")


def test_too_long_a_text_is_refused_and_the_rest_is_taken(url: str):
    bo = logged_in(url, "Bo")
    key = bo.get("/api/next?task=correct").json()["work"]["key"]
    long = event(key, SetNote(note="")).model_dump(mode="json")
    long["body"]["note"] = "x" * 20_001
    assert bo.post("/api/events", json={"events": [long]}).status_code == 422
    assert len(send(bo, event(key, marked("dog", "fox", TEXT)))["stored"]) == 1


def test_what_a_team_reads_of_a_fault_names_no_folder(url: str, project: Project):
    ada = logged_in(url, "Ada")
    work = ada.get("/api/next?task=correct").json()["work"]
    (sha256,) = work["images"]
    project.images.path(sha256).write_bytes(b"no image")
    (project.path / "annotations.sqlite").rename(project.path / "away.sqlite")
    for path in (f"/images/{sha256}", "/api/project", "/login"):
        told = ada.get(path)
        assert (told.status_code, str(project.path) in told.text) == (503, False)
        assert "log says why" in told.json()["what"]
    (project.path / "away.sqlite").rename(project.path / "annotations.sqlite")
    told = ada.get(f"/images/{sha256}?width=480")
    assert (told.status_code, str(project.path) in told.text) == (503, False)
    assert ada.get(f"/images/{'0' * 64}").status_code == 404
