"""One person's data deleted or put under a pseudonym."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from argon2 import PasswordHasher

from annotation_items import TEXT, event, marked, run_of, submit
from groundtune.pipeline.annotate import passwords, people, removal
from groundtune.pipeline.annotate.people import PeopleError
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.pipeline.annotate.results import finished_work
from groundtune.store.annotations import accounts, audit, failures, items, sessions
from groundtune.store.annotations.records import SetNote
from groundtune.store.annotations.tables import CONFLICTS, ITEMS
from postgres_server import postgres
from team import PASSWORD

NAME = "Roberta Zanzibar"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(1, 8, 1))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Project]:
    run_of(tmp_path / "run", [[TEXT], ["A cat."]])
    if request.param == "sqlite":
        made = open_project(tmp_path / "project", {"people_per_item": 2})
        filled(made, tmp_path)
        yield made
        made.close()
        return
    server = request.getfixturevalue("server")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE photos")
        url = server.replace("/postgres?", "/photos?")
        made = open_project(url, {"people_per_item": 2}, cache=tmp_path / "cache")
        filled(made, tmp_path)
        yield made
        made.close()
        connection.execute("DROP DATABASE photos WITH (FORCE)")


def filled(made: Project, folder: Path) -> None:
    """Roberta has finished one item, holds one, has commented, logged in, and failed to."""
    made.add_run(folder / "run")
    people.add_account(made.database, "Ada", "owner", PASSWORD)
    person = people.add_account(made.database, NAME, "reviewer", PASSWORD)
    browser = {"address": "192.0.2.1", "agent": "a browser"}
    people.log_in(made.database, NAME, PASSWORD, **browser)
    with pytest.raises(PeopleError):
        people.log_in(made.database, NAME, "wrong password", **browser)
    people.password_link(made.database, None, person)
    work = made.next_work(person, "correct")
    assert work is not None
    key = work.item.key
    note = event(key, SetNote(note="Call me: 030 1234"))
    made.record(person, [event(key, marked("dog", "fox")), note, submit(key)])
    assert made.next_work(person, "correct") is not None
    with made.database.writing() as connection:
        connection.execute(CONFLICTS.insert(), [{"item": key, "likeness": 0.5}])


def id_of(project: Project) -> str:
    return removal.find_person(project.database, "roberta  zanzibar").id


def free(project: Project) -> list[int]:
    with project.database.reading() as connection:
        rows = connection.execute(ITEMS.select().order_by(ITEMS.c.place)).mappings()
        return [row["free"] for row in rows]


HAD = {
    "events": 3,
    "comments": 1,
    "items": 2,
    "sessions": 1,
    "links": 1,
    "failed_logins": 1,
    "audit_entries": 3,
}


def test_deleting_takes_everything_but_the_fact_and_frees_the_places(project: Project):
    person = id_of(project)
    assert removal.preview(project.database, person).model_dump() == HAD
    assert free(project) == [1, 1]
    gone = removal.remove(project.database, None, person, keep_work=False)
    account = {"names": 1, "passwords": 1, "sessions": 1, "links": 1, "failed_logins": 1}
    assert gone.deleted == account | {"events": 3, "items": 2}
    assert gone.kept == {"audit_entries": 3}
    assert free(project) == [2, 2]
    assert finished_work(project).corrections == ()
    with project.database.reading() as connection:
        assert sessions.sessions_of(connection) == []
        assert failures.count_failures(connection).total == 0
        assert connection.execute(CONFLICTS.select()).all() == []
        assert NAME not in str(items.names_of(connection))
        trail = audit.entries(connection)
        assert {each.subject for each in trail[:4]} == {gone.pseudonym}
        assert trail[0].action == "data_deleted"
        assert person not in str(trail)
        left = accounts.account_of(connection, gone.pseudonym)
    assert left is not None
    assert (left.role, left.can_log_in) == ("annotator", False)


def test_a_pseudonym_keeps_the_work_and_its_weight(project: Project):
    person = id_of(project)
    gone = removal.remove(project.database, None, person, keep_work=True)
    assert gone.kept == {"events": 3, "items": 2, "audit_entries": 3}
    assert "events" not in gone.deleted
    work = finished_work(project)
    (correction,) = work.corrections
    assert (correction.by.name, work.roles[gone.pseudonym]) == (gone.pseudonym, "reviewer")
    assert free(project) == [1, 1]
    with project.database.reading() as connection:
        assert person not in items.names_of(connection)
        assert len(connection.execute(CONFLICTS.select()).all()) == 1


@pytest.mark.parametrize("keep_work", [False, True])
def test_no_byte_of_the_name_is_left_in_the_files(tmp_path: Path, keep_work: bool):
    run_of(tmp_path / "run", [[TEXT], ["A cat."]])
    project = open_project(tmp_path / "project")
    filled(project, tmp_path)
    person = id_of(project)

    def kept(*words: str) -> list[str]:
        files = [each for each in project.path.iterdir() if each.is_file()]
        data = b"".join(each.read_bytes() for each in files)
        return [word for word in words if word.encode() in data]

    secrets = (NAME, NAME.lower(), person, "a browser", "192.0.2.1", "030 1234")
    assert kept(*secrets) == list(secrets)
    gone = removal.remove(project.database, None, person, keep_work=keep_work)
    assert gone.log_emptied
    assert kept(*secrets) == (["030 1234"] if keep_work else [])  # a comment is work


def test_the_last_owner_is_not_removed_and_nobody_twice(project: Project):
    ada = removal.find_person(project.database, "ADA").id
    with pytest.raises(PeopleError, match="last_owner"):
        removal.remove(project.database, ada, ada, keep_work=False)
    person = id_of(project)
    removal.remove(project.database, ada, person, keep_work=False)
    with pytest.raises(PeopleError, match="no_person"):
        removal.preview(project.database, person)
    with pytest.raises(PeopleError, match="no_person"):
        removal.remove(project.database, ada, person, keep_work=True)


def test_people_of_one_name_are_told_apart_by_their_ids(tmp_path: Path):
    project = open_project(tmp_path / "project")
    project.join("ada", "Ada", "owner")
    project.join("ada-2", "ada", "owner")
    with pytest.raises(PeopleError, match="several_people"):
        removal.find_person(project.database, "Ada")
    assert removal.find_person(project.database, "ada-2").id == "ada-2"
