"""Logging in and out, links, sessions and roles, over HTTP."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from annotation_items import event, marked
from groundtune.pipeline.annotate import people
from groundtune.pipeline.annotate.project import Project
from groundtune.store.annotations import audit, failures
from groundtune.web.access import Door
from running_app import app_of
from team import PASSWORD, browser, logged_in, team_project

NEW = "another good password"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return team_project(tmp_path)


@pytest.fixture
def url(project: Project) -> Iterator[str]:
    with app_of(project, door=Door()) as found:
        yield found


def test_a_stranger_is_led_to_the_login_page_and_learns_nothing_of_the_project(
    url: str, project: Project
):
    stranger = browser(url)
    led = stranger.get("/task/correct?item=5", headers={"accept": "text/html"})
    assert led.headers["location"] == "/login?to=%2Ftask%2Fcorrect%3Fitem%3D5"
    for path in ("/api/project", "/api/next?task=correct", "/api/items", f"/images/{'0' * 64}"):
        told = stranger.get(path)
        assert (told.status_code, set(told.json())) == (401, {"what", "where", "fix"})
    for path in ("/login", "/join", "/nowhere"):
        assert project.name not in stranger.get(path, headers={"accept": "text/html"}).text
    assert stranger.get("/").status_code == 401


def test_a_person_logs_in_by_their_name_works_and_logs_out(url: str, project: Project):
    bo = logged_in(url, "  bO ")
    overview = bo.get("/api/project").json()
    assert bo.get("/login").headers["location"] == "/"
    key = bo.get("/api/next?task=correct").json()["work"]["key"]
    body = {"events": [event(key, marked("dog")).model_dump(mode="json")]}
    assert len(bo.post("/api/events", json=body | {"person": overview["person"]}).json()["stored"])
    assert bo.post("/api/logout").status_code == 200
    assert bo.get("/api/project").status_code == 401
    with project.database.reading() as connection:
        done = [each.action for each in audit.entries(connection)]
    assert done[:2] == ["logged_out", "logged_in"]


@pytest.mark.parametrize(
    ("door", "prefix", "parts"),
    [
        (Door(), "groundtune-", {"HttpOnly", "SameSite=Lax", "Path=/"}),
        (
            Door(url="https://annotate.example.org", proxies=1),
            "__Host-groundtune-",
            {"HttpOnly", "SameSite=Lax", "Path=/", "Secure"},
        ),
        (
            Door(url="https://x.hf.space", frames=("https://huggingface.co",), proxies=1),
            "__Host-groundtune-",
            {"HttpOnly", "SameSite=None", "Path=/", "Secure", "Partitioned"},
        ),
    ],
)
def test_a_sessions_cookie_fits_how_people_reach_the_app(
    project: Project, door: Door, prefix: str, parts: set[str]
):
    with app_of(project, door=door) as url:
        response = browser(url).post("/api/login", json={"name": "Bo", "password": PASSWORD})
        name, *others = response.headers["set-cookie"].split("; ")
        assert name.startswith(prefix + project.id)
        assert set(others) == {*parts, "Max-Age=2592000"}
        policy = response.headers["content-security-policy"]
        framed = "'self' https://huggingface.co" if door.frames else "'none'"
        assert f"frame-ancestors {framed};" in policy


def test_guessing_is_slowed_counted_and_reported(url: str, project: Project):
    guesser = browser(url)
    guess = {"name": "Bo", "password": "wrong password"}
    for _ in range(5):
        assert guesser.post("/api/login", json=guess).status_code == 401
    told = guesser.post("/api/login", json=guess)
    assert (told.status_code, told.headers["retry-after"]) == (429, "2")
    assert "Wait 2 seconds" in told.json()["fix"]
    # Not even the right password may be tried now; and from another name one may.
    right = {"name": "Bo", "password": PASSWORD}
    assert guesser.post("/api/login", json=right).status_code == 429
    nobody = {"name": "Nobody", "password": PASSWORD}
    assert guesser.post("/api/login", json=nobody).json() == {
        "what": "The name or the password is wrong.",
        "where": "/api/login",
        "fix": "Try again, or ask an owner of the project for a link that sets a new password.",
    }
    with project.database.reading() as connection:
        assert failures.count_failures(connection) == (6, 1, 1)
    logged_in(url, "Cy")


@pytest.mark.parametrize(
    ("proxies", "sent", "counted"),
    [
        (0, "203.0.113.7", {"127.0.0.1"}),
        (1, "198.51.100.1, 203.0.113.7", {"203.0.113.7"}),  # the first is the client's own word
        (2, "198.51.100.1, 203.0.113.7", {"198.51.100.1"}),
        (3, "198.51.100.1, 203.0.113.7", {"127.0.0.1"}),
    ],
)
def test_failures_are_counted_for_the_address_that_the_proxy_names(
    project: Project, proxies: int, sent: str, counted: set[str]
):
    with app_of(project, door=Door(url="https://annotate.example.org", proxies=proxies)) as url:
        headers = {"x-forwarded-for": sent, "x-forwarded-proto": "https"}
        wrong = {"name": "Bo", "password": "wrong password"}
        assert browser(url).post("/api/login", json=wrong, headers=headers).status_code == 401
    database = sqlite3.connect(project.path / "annotations.sqlite")
    assert {row[0] for row in database.execute("SELECT address FROM failures")} == counted


def test_an_invited_person_chooses_a_name_and_a_password(url: str, project: Project):
    token = people.invite(project.database, None, "reviewer", uses=1, days=7)
    guest = browser(url)
    told = guest.post("/api/link", json={"token": token}).json()
    assert told == {"role": "reviewer", "name": "", "project": "farm-team"}
    wrong = {
        "Bo": NEW,  # somebody has the name
        "\u202eDi": NEW,
        "": NEW,
        "Di": "too short",
        "Di Di Di Di": "didididi",
    }
    for name, password in wrong.items():
        given = {"token": token, "name": name, "password": password}
        assert guest.post("/api/join", json=given).status_code == 422
    given = {"token": token, "name": "Di", "password": NEW}
    assert guest.post("/api/join", json=given).status_code == 200
    assert guest.get("/api/account").json()["role"] == "reviewer"
    again = browser(url).post("/api/join", json={**given, "name": "Eve"})
    assert (again.status_code, again.json()["where"]) == (410, "/api/join")
    assert logged_in(url, "Di", NEW).get("/api/figures").status_code == 200


def test_a_password_link_ends_sessions_and_needs_no_old_password(url: str, project: Project):
    before = logged_in(url, "Bo")
    person = before.get("/api/project").json()["person"]
    token = people.password_link(project.database, None, person)
    told = browser(url).post("/api/link", json={"token": token}).json()
    assert (told["name"], told["role"]) == ("Bo", "annotator")
    after = browser(url)
    given = {"token": token, "name": "Cy", "password": NEW}  # the name is not taken from here
    assert after.post("/api/join", json=given).status_code == 200
    assert after.get("/api/account").json()["name"] == "Bo"
    assert before.get("/api/account").status_code == 401
    refused = browser(url).post("/api/login", json={"name": "Bo", "password": PASSWORD})
    assert refused.status_code == 401
    logged_in(url, "Bo", NEW)


def test_a_person_changes_the_password_and_ends_other_sessions(url: str):
    bo, elsewhere = logged_in(url, "Bo"), logged_in(url, "Bo")
    change = {"old": "wrong password", "new": NEW}
    assert bo.post("/api/account/password", json=change).status_code == 401
    assert bo.post("/api/account/password", json={"old": PASSWORD, "new": "x"}).status_code == 422
    assert elsewhere.get("/api/account").status_code == 200
    change["old"] = PASSWORD
    assert bo.post("/api/account/password", json=change).status_code == 200
    assert bo.get("/api/account").status_code == 200
    assert elsewhere.get("/api/account").status_code == 401
    others = [logged_in(url, "Bo", NEW) for _ in range(2)]
    found = bo.get("/api/account").json()["sessions"]
    assert [each["here"] for each in found].count(True) == 1
    end = "/api/account/sessions/end"
    theirs = logged_in(url, "Cy").get("/api/account").json()["sessions"][0]["id"]
    assert bo.post(end, json={"session": theirs}).status_code == 404
    assert bo.post(end, json={}).json() == {"ended": 2}
    assert [each.get("/api/account").status_code for each in others] == [401, 401]


def test_guesses_of_the_old_password_are_slowed_too(url: str):
    bo = logged_in(url, "Bo")
    change = {"old": "wrong password", "new": NEW}
    codes = [bo.post("/api/account/password", json=change).status_code for _ in range(6)]
    assert codes == [401] * 5 + [429]


@pytest.mark.parametrize(
    ("name", "status"), [("Bo", 403), ("Rev", 200), ("Ada", 200)], ids=["annotator", "r", "o"]
)
def test_annotators_do_not_see_the_results_of_others(url: str, name: str, status: int):
    person = logged_in(url, name)
    assert person.get("/api/figures").status_code == status
    assert person.get("/rates").status_code == status
    home = person.get("/", headers={"accept": "text/html"})
    assert ('id="suggestions"' in home.text) == (status == 200)


def test_events_of_a_person_are_not_taken_for_those_of_the_next(url: str):
    bo, cy = logged_in(url, "Bo"), logged_in(url, "Cy")
    key = bo.get("/api/next?task=correct").json()["work"]["key"]
    batch = {
        "person": bo.get("/api/project").json()["person"],
        "events": [event(key, marked("dog")).model_dump(mode="json")],
    }
    told = cy.post("/api/events", json=batch)
    assert (told.status_code, "logged in as Cy" in told.json()["what"]) == (409, True)
    assert len(bo.post("/api/events", json=batch).json()["stored"]) == 1


def test_many_logins_at_once_take_turns_and_hold_up_nobody(
    url: str, monkeypatch: pytest.MonkeyPatch
):
    rev, now, most = logged_in(url, "Rev"), [0], [0]

    def slow(password: str, hashed: str | None) -> bool:
        now[0] += 1
        most[0] = max(most[0], now[0])
        released.wait(30)
        now[0] -= 1
        return hashed is not None

    released = threading.Event()
    monkeypatch.setattr(people, "matches", slow)
    with ThreadPoolExecutor(50) as pool:
        logins = [pool.submit(logged_in, url, ("Bo", "Cy")[n % 2]) for n in range(8)]
        while now[0] < 2:
            assert not any(each.done() for each in logins)
        assert rev.get("/api/project").status_code == 200
        released.set()
        assert all(each.result().get("/api/project").status_code == 200 for each in logins)
    assert most == [2]


def test_the_language_is_a_persons_choice(url: str):
    guest = browser(url)
    assert "Anmelden" not in guest.get("/login").text
    assert guest.post("/api/language", json={"language": "de"}).status_code == 200
    assert "Anmelden" in guest.get("/login").text
    assert guest.post("/api/language", json={"language": "xx"}).status_code == 422
