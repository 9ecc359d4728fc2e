"""A project at a PostgreSQL URL: the same work, leases under load, backup and restore."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Barrier

import psycopg
import pytest
from sqlalchemy import select

from annotation_items import TEXT, event, item_of, marked, run_of, submit
from groundtune.cli.app import EXIT_INPUT, run
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.pipeline.annotate.backup import back_up, restore
from groundtune.pipeline.annotate.project import Project, existing_project, open_project
from groundtune.pipeline.annotate.results import (
    ProjectPairSettings,
    finished_work,
    project_pairs,
)
from groundtune.pipeline.annotate.settling import ConflictTaken, conflict_of, take_side
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.store.annotations import conflicts, database, items
from groundtune.store.annotations.copying import copy_database
from groundtune.store.annotations.database import open_database
from groundtune.store.annotations.tables import ITEMS
from postgres_server import postgres


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture
def url(server: str) -> Iterator[str]:
    """A fresh database's URL."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE photos")
        yield server.replace("/postgres?", "/photos?")
        connection.execute("DROP DATABASE photos WITH (FORCE)")


def correct(project: Project, person: str) -> str:
    work = project.next_work(person, "correct")
    assert work is not None
    key = work.item.key
    done = project.record(person, [event(key, marked("dog", "fox")), submit(key)])
    assert done.refused == ()
    return key


def test_what_is_written_while_a_copy_is_read_is_left_out_whole(url: str):
    opened = open_database(url)
    with opened.writing() as connection:
        items.add_items(connection, [item_of("item-1")])
    with opened.snapshot() as reader:
        assert len(reader.execute(select(ITEMS.c.key)).all()) == 1
        with opened.writing() as connection:
            items.add_items(connection, [item_of("item-2")])
        assert len(reader.execute(select(ITEMS.c.key)).all()) == 1
    with opened.reading() as reader:
        assert len(reader.execute(select(ITEMS.c.key)).all()) == 2
    opened.close()


def test_twenty_people_at_once_get_different_items_and_pairs_are_made_elsewhere(
    url: str, tmp_path: Path
):
    run_of(tmp_path / "run", [[f"{TEXT} {n}" for n in range(20)]])
    project = open_project(url, cache=tmp_path / "here")
    project.add_run(tmp_path / "run")
    people = [f"person{n}" for n in range(20)]
    for name in people:
        project.join(name, name, "annotator")
    with ThreadPoolExecutor(10) as pool:
        keys = list(pool.map(lambda name: correct(project, name), people))
    assert len(set(keys)) == 20
    assert len(finished_work(project).corrections) == 20
    project.close()
    elsewhere = open_project(url, cache=tmp_path / "there")  # another machine without the images
    counts = project_pairs(elsewhere, tmp_path / "pairs", ProjectPairSettings(), SilentProgress())
    assert counts.made == 20
    assert len(list((tmp_path / "pairs" / "images").glob("*/*"))) == 1
    elsewhere.close()


def test_of_two_reviewers_who_settle_a_conflict_at_once_one_does(url: str, tmp_path: Path):
    run_of(tmp_path / "run", [[f"{TEXT} {n}" for n in range(8)]])
    for where in (url, tmp_path / "folder"):
        project = open_project(where, {"people_per_item": 2}, cache=tmp_path / "here")
        project.add_run(tmp_path / "run")
        for name in ("ada", "ben"):
            project.join(name, name, "annotator")
            while work := project.next_work(name, "correct"):
                key, text = work.item.key, work.item.answers[0].text
                project.record(name, [event(key, marked("dog", name, text=text)), submit(key)])
        for name in ("rita", "rob"):
            project.join(name, name, "reviewer")
        with project.database.reading() as connection:
            keys = [item.key for item in items.all_items(connection)]
        for key in keys:
            together = Barrier(2)
            settle = partial(settles, project, key, together)
            with ThreadPoolExecutor(2) as pool:
                found = list(pool.map(settle, ("rita", "rob")))
            assert sorted(found) == [False, True]
            with project.database.reading() as connection:
                settler = conflicts.settled_by(connection)[key]
            assert settler == ("rita" if found[0] else "rob")
        project.close()


def settles(project: Project, key: str, together: Barrier, reviewer: str) -> bool:
    shown = conflict_of(project, reviewer, key)
    assert shown is not None
    together.wait()
    try:
        take_side(project, reviewer, shown, shown.sides[reviewer == "rob"].key)
    except ConflictTaken:
        return False
    return True


def test_a_project_is_backed_up_from_the_server_and_restored_as_a_folder_and_back(
    url: str, tmp_path: Path
):
    run_of(tmp_path / "run", [[TEXT], [f"{TEXT} 2"]])
    project = open_project(url, cache=tmp_path / "here")
    project.join("ada", "Ada", "owner")
    project.add_run(tmp_path / "run")
    correct(project, "ada")
    manifest = back_up(project, tmp_path / "backup.zip")
    assert (manifest.items, manifest.events) == (2, 2)
    project.close()
    restore(tmp_path / "backup.zip", tmp_path / "again")
    again = existing_project(tmp_path / "again")
    correct(again, "ada")
    assert len(finished_work(again).corrections) == 2
    with psycopg.connect(url) as connection:
        names = [
            row[0]
            for row in connection.execute(
                "SELECT tablename FROM pg_tables "
                "WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
            )
        ]
        connection.execute(f"TRUNCATE {', '.join(names)}")
    server = open_database(url)
    assert copy_database(again.database, server) == 4
    server.close()
    moved = open_project(url, cache=tmp_path / "moved")
    run_of(tmp_path / "more", [[f"{TEXT} 3"]])
    assert moved.add_run(tmp_path / "more") == 1  # numbers go on
    correct(moved, "ada")
    moved.close()


def test_the_command_works_with_a_url_and_says_what_is_wrong(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run_of(tmp_path / "run", [[TEXT]])
    project = open_project(url, cache=tmp_path / "here")
    project.join("ada", "Ada", "owner")
    project.add_run(tmp_path / "run")
    correct(project, "ada")
    project.close()
    out = tmp_path / "pairs"
    assert run(["pairs", "--from", url, "--out", str(out)]) == 0
    assert len(RunFolder(out).pairs.read()) == 1
    capsys.readouterr()
    gone = url.replace("/photos?", "/nowhere?").replace("tester@", "tester:secret@")
    assert run(["pairs", "--from", gone, "--out", str(out)]) == EXIT_INPUT
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 3
    assert "secret" not in said


def end_connections(url: str) -> None:
    """What a restart of the server does to connections."""
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")


def test_connections_that_the_server_ended_while_they_were_idle_are_replaced_unseen(
    url: str, monkeypatch: pytest.MonkeyPatch
):
    opened = open_database(url)
    transactions = (opened.one_query, opened.reading, opened.writing)
    monkeypatch.setattr(database, "_TRUSTED_S", 0)
    for transaction in transactions:
        end_connections(url)
        with transaction() as connection:
            assert items.number_of_items(connection) == 0
    # One that was used a moment ago isn't asked: one request fails, which is sent again.
    monkeypatch.setattr(database, "_TRUSTED_S", 60)
    for transaction in transactions:
        with ExitStack() as several:
            for _ in range(3):
                several.enter_context(opened.reading())
        end_connections(url)
        with pytest.raises(UserError, match="can't be used"), transaction() as connection:
            items.number_of_items(connection)
        with transaction() as connection:
            assert items.number_of_items(connection) == 0
    opened.close()


def test_more_people_than_connections_wait_for_each_other(url: str):
    opened = open_database(url)

    def look(_: int) -> int:
        with opened.reading() as connection:
            number = connection.exec_driver_sql(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            )
            return int(number.scalar_one())

    with ThreadPoolExecutor(40) as pool:
        assert max(pool.map(look, range(200))) <= 16
    opened.close()
