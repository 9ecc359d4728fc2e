"""What a request costs: jobs of threads, transactions and statements; and that it is refused."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine
from sqlalchemy import event as happening

from annotation_items import event, marked, submit
from groundtune.pipeline.annotate import people
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.web import jobs
from groundtune.web.access import Door
from running_app import app_of
from team import logged_in, team_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return team_project(tmp_path)


@pytest.fixture
def url(project: Project) -> Iterator[str]:
    with app_of(project, door=Door()) as found:
        yield found


@contextmanager
def statements() -> Generator[list[str]]:
    """All that is executed meanwhile; a transaction begins with BEGIN."""
    executed: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        executed.append(statement)

    happening.listen(Engine, "before_cursor_execute", note)
    try:
        yield executed
    finally:
        happening.remove(Engine, "before_cursor_execute", note)


def test_a_request_takes_one_job_one_transaction_and_few_statements(
    url: str, project: Project, monkeypatch: pytest.MonkeyPatch
):
    bo = logged_in(url, "Bo")
    number_of_jobs = 0
    in_threadpool = jobs.run_in_threadpool

    async def counting(*job: Any) -> Any:
        nonlocal number_of_jobs
        number_of_jobs += 1
        return await in_threadpool(*job)

    monkeypatch.setattr(jobs, "run_in_threadpool", counting)
    work = bo.get("/api/next?task=correct").json()["work"]
    key, image = work["key"], work["images"][0]
    span = {"events": [event(key, marked("dog", "fox")).model_dump(mode="json")]}
    finish = {"events": [submit(key).model_dump(mode="json")]}
    for method, path, body, transactions, most in (
        ("GET", "/api/next?task=correct", None, 1, 7),
        ("GET", f"/images/{image}", None, 0, 1),
        ("POST", "/api/events", span, 1, 8),
        ("POST", "/api/events", finish, 1, 10),
        ("GET", "/api/project", None, 1, 4),
    ):
        number_of_jobs = 0
        with statements() as executed:
            response = bo.request(method, path, json=body)
        assert response.status_code == 200, path
        assert number_of_jobs == 1, path
        assert sum(each.startswith("BEGIN") for each in executed) == transactions, executed
        assert len(executed) <= most, executed


STEPS = {
    "close": people.close_account,
    "sessions": people.end_sessions,
}


@pytest.mark.parametrize("step", STEPS)
def test_who_is_removed_by_another_process_is_refused_at_the_next_request(
    url: str, project: Project, step: str
):
    bo = logged_in(url, "Bo")
    ada = logged_in(url, "Ada")
    assert bo.get("/api/project").status_code == 200
    person = next(
        each["id"] for each in ada.get("/api/people").json()["people"] if each["name"] == "Bo"
    )
    another = open_project(project.path)
    STEPS[step](another.database, None, person)
    another.close()
    key = ada.get("/api/next?task=correct").json()["work"]["key"]
    for method, path in (("GET", "/api/next?task=correct"), ("POST", "/api/events")):
        body = {"events": [submit(key).model_dump(mode="json")]} if method == "POST" else None
        assert bo.request(method, path, json=body).status_code == 401
    assert ada.get(f"/api/items/{key}").json()["work"]["events"] == []


def test_a_role_that_another_process_changes_holds_from_the_next_request_on(
    url: str, project: Project
):
    rev, ada = logged_in(url, "Rev"), logged_in(url, "Ada")
    assert rev.get("/api/conflicts/next").status_code == 200
    person = next(
        each["id"] for each in ada.get("/api/people").json()["people"] if each["name"] == "Rev"
    )
    another = open_project(project.path)
    people.change_role(another.database, None, person, "annotator")
    another.close()
    assert rev.get("/api/conflicts/next").status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "annotator"),
    [
        ("GET", "/api/next?task=none", 422),
        ("POST", "/api/events", 422),
        ("POST", "/api/account/password", 422),
        ("POST", "/api/invitations", 403),
        ("GET", "/api/audit?limit=none", 403),
        ("GET", "/api/conflicts/next?" + "&".join(["besides=x"] * 51), 403),
        ("GET", "/api/figures", 403),
    ],
)
def test_that_somebody_may_not_do_it_comes_before_what_is_wrong_with_it(
    url: str, method: str, path: str, annotator: int
):
    stranger = httpx.Client(base_url=url, trust_env=False, headers={"connection": "close"})
    for content in (b"{", b"[]", b'{"role": "king"}'):
        headers = {"content-type": "application/json"}
        body: dict[str, Any] = {"content": content, "headers": headers} if method == "POST" else {}
        assert stranger.request(method, path, **body).status_code == 401
        assert logged_in(url, "Bo").request(method, path, **body).status_code == annotator
