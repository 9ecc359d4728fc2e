"""The app's JSON API and pages, over HTTP."""

import json
import sqlite3
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from annotation_items import TEXT, event, marked, run_of, submit
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.records import Claim
from groundtune.store.annotations import database
from running_app import HTTP, app_of


@pytest.fixture
def project(tmp_path: Path) -> Project:
    run = run_of(tmp_path / "run", [[TEXT], ["<script>alert(1)</script> A cat."]], (2400, 1800))
    answer = run.answers.read()[0]
    claim = Claim(key="c", answer=answer.key, start=0, end=5, text="A dog", status="rejected")
    run.claims.append([claim])
    made = open_project(tmp_path / "project")
    made.join("ada", "Ada", "owner")
    made.add_run(tmp_path / "run")
    return made


@pytest.fixture
def url(project: Project) -> Iterator[str]:
    with app_of(project) as found:
        yield found


def post(url: str, body: Any, **headers: str) -> Any:
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    return HTTP.post(
        f"{url}/api/events",
        content=content,
        headers={"content-type": "application/json", **headers},
    )


def sent(*events: Any) -> dict[str, Any]:
    return {"events": [each.model_dump(mode="json") for each in events]}


def test_an_item_is_leased_worked_on_and_finished(url: str):
    work = HTTP.get(f"{url}/api/next", params={"task": "correct"}).json()["work"]
    assert work["answers"] == [TEXT]
    assert work["turns"][0]["pieces"][1] == {"text": "Describe image 0."}
    key = work["key"]
    done = post(url, sent(event(key, marked("dog", "fox")), submit(key)))
    assert done.json()["refused"] == []
    again = HTTP.get(f"{url}/api/items/{key}").json()["work"]
    assert [each["body"]["type"] for each in again["events"]] == ["span", "submit"]
    following = HTTP.get(f"{url}/api/next", params={"task": "correct"}).json()["work"]
    assert following["key"] != key
    counts = HTTP.get(f"{url}/api/project").json()["counts"]["correct"]
    assert counts == {"items": 2, "done": 1, "skipped": 0}
    besides = {"task": "correct", "besides": following["key"]}
    assert HTTP.get(f"{url}/api/next", params=besides).json() == {"work": None}


def test_who_answered_is_never_sent_and_suggestions_not_in_a_blind_project(
    url: str, project: Project
):
    text = HTTP.get(f"{url}/api/next?task=correct").text
    assert "base" not in text
    assert [each["note"] for each in json.loads(text)["work"]["suggestions"]] == ["A dog"]
    blind = open_project(project.path, {"blind": True})
    with app_of(blind) as found:
        assert HTTP.get(f"{found}/api/next?task=correct").json()["work"]["suggestions"] == []


def test_a_refused_event_is_named_and_the_others_are_stored(url: str):
    key = HTTP.get(f"{url}/api/next?task=correct").json()["work"]["key"]
    bad = event(key, marked("dog").model_copy(update={"text": "cat"}))
    told = post(url, sent(bad, event(key, marked("red")))).json()
    assert len(told["stored"]) == 1
    assert told["refused"][0]["id"] == bad.id


def test_items_are_searched_and_filtered(url: str):
    found = HTTP.get(f"{url}/api/items", params={"words": "CAT script"}).json()
    assert (found["total"], found["items"][0]["opening"][:8]) == (1, "<script>")
    assert HTTP.get(f"{url}/api/items?state=done").json()["total"] == 0
    assert HTTP.get(f"{url}/api/items?state=nonsense").status_code == 422


def test_images_are_scaled_once_and_whole_on_request(url: str, project: Project):
    work = HTTP.get(f"{url}/api/next?task=correct").json()["work"]
    (sha256,) = work["images"]
    small = HTTP.get(f"{url}/images/{sha256}?width=480")
    assert small.headers["content-type"] == "image/jpeg"
    assert "immutable" in small.headers["cache-control"]
    copy = project.path / "scaled" / f"{sha256}-480.jpg"
    with Image.open(copy) as image:
        assert image.size == (480, 360)
    whole = HTTP.get(f"{url}/images/{sha256}")
    assert whole.content == project.images.read(sha256)


@pytest.mark.parametrize(
    "path",
    [
        "/images/../annotations.sqlite",
        "/images/%2e%2e%2fannotations.sqlite",
        f"/images/{'0' * 64}",
        f"/images/{'0' * 64}?width=5",
        f"/images/{'0' * 64}/levels",
        f"/images/{'0' * 64}/tiles/0/0/0",
        f"/images/{'0' * 64}/tiles/0/0/..",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/api/items/none",
        "/task/nonsense",
        "/nowhere",
        f"/api/next?task=correct&besides={'x' * 9999}",
    ],
)
def test_what_is_not_there_is_reported_and_no_file_leaks(url: str, path: str):
    response = HTTP.get(url + path)
    assert response.status_code in (200, 404, 422, 503)
    assert b"SQLite format" not in response.content
    assert b"import" not in response.content
    if response.status_code != 200:
        assert set(response.json()) == {"what", "where", "fix"}


def test_an_unreadable_image_is_reported_in_plain_words(url: str, project: Project):
    (sha256,) = HTTP.get(f"{url}/api/next?task=correct").json()["work"]["images"]
    project.images.path(sha256).write_bytes(b"no image")
    told = HTTP.get(f"{url}/images/{sha256}?width=1600")
    assert told.status_code == 503
    assert "damaged" in told.json()["what"]


def test_pages_have_no_inline_code_and_answers_are_never_markup(url: str, project: Project):
    (project.path / "guidelines.md").write_text("# Rules\n\n<script>bad()</script>\n", "utf-8")
    for path in ("/", "/task/correct"):
        page = HTTP.get(url + path)
        policy = page.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "require-trusted-types-for 'script'" in policy
        assert page.headers["x-content-type-options"] == "nosniff"
        assert "&lt;script&gt;bad()" in page.text
        assert " style=" not in page.text
        assert page.text.count("<script") == page.text.count("<script src=") + page.text.count(
            '<script type="module" src='
        )


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://[::1"}, 403),
        ({"host": "evil.example"}, 403),
        ({"host": "[::1"}, 403),
        ({"host": "me@localhost"}, 403),
        ({"host": "[::1]:80"}, 200),
    ],
)
def test_other_sites_can_change_nothing(url: str, headers: dict[str, str], status: int):
    assert post(url, {"events": []}, **headers).status_code == status


def test_the_own_origin_may_write_where_the_browser_sends_no_fetch_metadata(url: str):
    assert post(url, {"events": []}, origin=url).status_code == 200


BAD_BODIES: list[tuple[Any, int]] = [
    ("no json", 422),
    ({"events": [{}]}, 422),
    ({"events": [], "more": 1}, 422),
    ("x" * (4 * 2**20 + 1), 413),
]


@pytest.mark.parametrize(("body", "status"), BAD_BODIES)
def test_a_bad_body_is_refused_in_three_lines(url: str, body: Any, status: int):
    response = post(url, body)
    assert response.status_code == status
    assert all(response.json()[name] for name in ("what", "where", "fix"))


def test_a_locked_database_is_reported_and_the_same_events_are_taken_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(database, "_BUSY_S", 0)
    run_of(tmp_path / "run", [[TEXT]])
    project = open_project(tmp_path / "project")
    project.join("ada", "Ada", "owner")
    project.add_run(tmp_path / "run")
    with app_of(project) as url:
        key = HTTP.get(f"{url}/api/next?task=correct").json()["work"]["key"]
        batch = sent(event(key, marked("dog", "fox")))
        other = sqlite3.connect(project.path / "annotations.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        told = post(url, batch)
        assert (told.status_code, "locked" in told.json()["what"]) == (503, True)
        other.execute("ROLLBACK")
        assert len(post(url, batch).json()["stored"]) == 1
        assert len(post(url, batch).json()["known"]) == 1


def test_a_large_image_that_is_slow_to_scale_is_scaled_when_it_is_added(tmp_path: Path):
    run_of(tmp_path / "run", [[TEXT]], (4000, 2500))  # PNG
    project = open_project(tmp_path / "project")
    project.add_run(tmp_path / "run")
    (copy,) = (path for path in (project.path / "scaled").iterdir() if path.is_file())
    with Image.open(copy) as image:
        assert image.size == (1600, 1000)


@pytest.mark.parametrize("name", ["photos", "documents", "reports"])
def test_shipped_guidelines_are_chosen_by_a_setting(tmp_path: Path, name: str):
    project = open_project(tmp_path / "project", {"guidelines": name})
    project.join("ada", "Ada", "owner")
    assert project.guidelines.startswith("# Correct what")
    with app_of(project) as url:
        assert "<table>" in HTTP.get(url).text


def test_a_database_that_is_gone_is_reported_and_nothing_is_taken_that_would_be_lost(
    url: str, project: Project
):
    key = HTTP.get(f"{url}/api/next?task=correct").json()["work"]["key"]
    batch = sent(event(key, marked("dog", "fox")))
    file = project.path / "annotations.sqlite"
    file.rename(project.path / "away.sqlite")
    told = post(url, batch)
    assert (told.status_code, "gone" in told.json()["what"]) == (503, True)
    file.write_bytes(b"")
    assert post(url, batch).status_code == 503
    (project.path / "away.sqlite").replace(file)
    assert len(post(url, batch).json()["stored"]) == 1


def test_a_turned_photograph_is_scaled_upright(project: Project, url: str):
    turned = Image.Exif()
    turned[0x0112] = 6  # EXIF orientation: the camera was held upright
    stream = BytesIO()
    Image.new("RGB", (4000, 3000), "navy").save(stream, "JPEG", exif=turned)
    sha256 = project.images.add(stream.getvalue())
    made = HTTP.get(f"{url}/images/{sha256}?width=480")
    with Image.open(BytesIO(made.content)) as image:
        assert image.size == (480, 640)
    stream = BytesIO()
    Image.new("RGB", (3200, 3200), "navy").save(stream, "JPEG")  # half of it is just what is asked
    sha256 = project.images.add(stream.getvalue())
    made = HTTP.get(f"{url}/images/{sha256}?width=1600")
    with Image.open(BytesIO(made.content)) as image:
        assert image.size == (1600, 1600)
