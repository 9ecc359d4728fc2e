"""The annotation database: opening it, its migrations, and what is said when it can't be used."""

import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, insert, inspect, select

from annotation_items import event, item_of, marked
from groundtune.errors import UserError
from groundtune.store.annotations import database, events, items, leases
from groundtune.store.annotations.database import Database, open_database, upgrade
from groundtune.store.annotations.tables import EVENTS, ITEMS, METADATA

VERSIONS = [
    script.revision
    for script in ScriptDirectory(
        str(Path(database.__file__).parent / "migrations")
    ).walk_revisions()
]


@pytest.fixture
def opened(tmp_path: Path) -> Database:
    return open_database(tmp_path / "annotations.sqlite")


def test_a_new_database_has_the_tables_that_the_code_expects(opened: Database):
    def is_comparable(_: object, name: str | None, *rest: object) -> bool:
        return name != "ix_items_next"  # SQLite's dialect can't read that an index descends

    with opened.reading() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": is_comparable})
        assert compare_metadata(context, METADATA) == []


def test_sqlite_writes_ahead_and_checks_foreign_keys(opened: Database):
    with opened.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_database_of_each_version_is_migrated_with_its_data(tmp_path: Path, version: str):
    path = tmp_path / "old.sqlite"
    engine = create_engine(f"sqlite:///{path}")
    item = item_of("item-1")
    with engine.begin() as connection:
        upgrade(connection, version)
        columns = {each["name"] for each in inspect(connection).get_columns("items")}
        row = {"key": item.key, "task": item.task, "content": item.model_dump_json()}
        row |= {"search": "a dog", "free": 0}
        connection.execute(
            insert(ITEMS), [{name: value for name, value in row.items() if name in columns}]
        )
        items.add_person(connection, "ada", "Ada", "owner")
        events.append(connection, "ada", [event("item-1", marked("dog", "cat"))])
    engine.dispose()
    with open_database(path).reading() as connection:
        (stored,) = events.events_of(connection, item="item-1")
        assert stored.event.body == marked("dog", "cat")
        assert items.item_of(connection, "item-1") == item


def test_a_project_of_a_newer_version_is_refused_in_plain_words(tmp_path: Path):
    path = tmp_path / "annotations.sqlite"
    open_database(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(UserError, match="newer version of Groundtune") as caught:
        open_database(path)
    assert "pip install --upgrade" in caught.value.fix


def test_a_file_that_is_no_database_is_refused_in_plain_words(tmp_path: Path):
    path = tmp_path / "annotations.sqlite"
    path.write_bytes(b"This is a text, long enough to have a header of a hundred bytes." * 4)
    with pytest.raises(UserError, match="not an annotation database"):
        open_database(path)


def test_a_database_that_is_damaged_where_only_a_query_reads_is_refused_in_plain_words(
    tmp_path: Path,
):
    path = tmp_path / "annotations.sqlite"
    open_database(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'items'")
        (root,) = page.fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    data = bytearray(path.read_bytes())
    data[(root - 1) * size : root * size] = b"\xff" * size
    path.write_bytes(data)
    damaged = open_database(path)
    with pytest.raises(UserError, match="or it is damaged"), damaged.reading() as connection:
        connection.execute(select(ITEMS)).all()


def test_what_is_written_while_a_copy_is_read_is_left_out_whole(opened: Database):
    with opened.writing() as connection:
        items.add_items(connection, [item_of("item-1")])
    with opened.snapshot() as reader:
        assert len(reader.execute(select(ITEMS.c.key)).all()) == 1
        with opened.writing() as connection:
            items.add_items(connection, [item_of("item-2")])
        assert len(reader.execute(select(ITEMS.c.key)).all()) == 1
    with opened.reading() as reader:
        assert len(reader.execute(select(ITEMS.c.key)).all()) == 2


def test_a_database_in_a_folder_that_is_gone_is_refused_in_plain_words(tmp_path: Path):
    with pytest.raises(UserError, match="can't be used"):
        open_database(tmp_path / "gone" / "annotations.sqlite")


def test_a_locked_database_is_named_and_keeps_what_it_had(
    opened: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with opened.writing() as connection:
        items.add_items(connection, [item_of("item-1")])
    other = sqlite3.connect(tmp_path / "annotations.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(database, "_BUSY_S", 0)
    impatient = open_database(tmp_path / "annotations.sqlite")
    with pytest.raises(UserError, match="locked"), impatient.writing():
        pass
    other.execute("ROLLBACK")
    with impatient.writing() as connection:
        assert items.add_items(connection, [item_of("item-1"), item_of("item-2")]) == 1


def test_writers_of_one_process_wait_for_each_other_and_not_in_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patient:
        patient.setattr(database, "_BUSY_S", 0)  # SQLite itself refuses a second writer at once
        shared = open_database(tmp_path / "annotations.sqlite")

    def write(number: int) -> None:
        with shared.writing() as connection:
            items.add_items(connection, [item_of(f"item-{number}")])
            time.sleep(0.005)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(32)))
    with shared.reading() as connection:
        assert len(connection.execute(select(ITEMS.c.key)).all()) == 32


def test_a_writer_that_never_ends_is_reported_to_the_next_one(
    opened: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(database, "_BUSY_S", 0.01)
    with opened.writing(), pytest.raises(UserError, match="locked"), opened.writing():
        pass


def test_an_event_is_stored_as_it_came_in_the_order_of_arrival(opened: Database):
    sent = [event("item-1", marked(words), active_s=1.25) for words in ("dog", "two", "red")]
    with opened.writing() as connection:
        items.add_items(connection, [item_of("item-1")])
        items.add_person(connection, "ada", "Ada", "owner")
        events.append(connection, "ada", sent)
    with opened.reading() as connection:
        stored = events.events_of(connection, item="item-1", person="ada")
        assert [each.event for each in stored] == sent
        assert events.known_ids(connection, [sent[0].id, "never-sent"]) == {sent[0].id}
        assert events.events_of(connection, items=["item-1", "other"]) == stored
        assert events.events_of(connection, items=["other"]) == []


def test_a_transaction_that_fails_leaves_no_event(opened: Database):
    with opened.writing() as connection:
        items.add_items(connection, [item_of("item-1")])
        items.add_person(connection, "ada", "Ada", "owner")

    def half() -> None:
        with opened.writing() as connection:
            events.append(connection, "ada", [event("item-1", marked("dog"))])
            raise ValueError("killed")

    with pytest.raises(ValueError, match="killed"):
        half()
    with opened.reading() as connection:
        assert events.events_of(connection) == []


def filled(opened: Database, number: int, people: int = 1) -> None:
    with opened.writing() as connection:
        found = [item_of(f"item-{each}", f"Answer {each} with a dog.") for each in range(number)]
        items.add_items(connection, found, people_per_item=people)
        for name in ("ada", "bo", "cy"):
            items.add_person(connection, name, name.title(), "annotator")


def take(opened: Database, person: str, **options: float | tuple[str, ...]) -> str | None:
    with opened.writing() as connection:
        return leases.take_next(connection, person, "correct", **{"lease_s": 60, **options})  # type: ignore[arg-type]


def test_two_people_never_get_one_item_unless_two_are_wanted(opened: Database):
    filled(opened, 2)
    assert take(opened, "ada") == "item-0"
    assert take(opened, "bo") == "item-1"
    assert take(opened, "cy") is None
    assert take(opened, "ada") == "item-0"  # what one holds comes first
    assert take(opened, "ada", besides=("item-0",)) is None


def test_an_overlap_of_two_gives_an_item_to_two_people_and_not_to_a_third(opened: Database):
    filled(opened, 1, people=2)
    assert [take(opened, name) for name in ("ada", "bo", "cy")] == ["item-0", "item-0", None]


def test_a_lease_that_runs_out_gives_the_item_back(opened: Database):
    filled(opened, 1)
    assert take(opened, "ada", lease_s=60, now=1000.0) == "item-0"
    assert take(opened, "bo", now=1059.0) is None
    assert take(opened, "bo", now=1061.0) == "item-0"


@pytest.mark.parametrize(("ending", "others"), [("done", None), ("skipped", "item-0")])
def test_a_finished_item_is_gone_and_a_skipped_one_is_free_for_others(
    opened: Database, ending: leases.Ending, others: str | None
):
    filled(opened, 1)
    take(opened, "ada")
    with opened.writing() as connection:
        leases.end(connection, "ada", "item-0", ending)
        leases.end(connection, "ada", "item-0", ending)  # sent twice
    assert take(opened, "ada") is None
    assert take(opened, "bo") == others
    assert take(opened, "cy") is None


def test_items_are_found_by_words_state_and_page(opened: Database):
    filled(opened, 30)
    take(opened, "ada")
    with opened.writing() as connection:
        leases.end(connection, "ada", "item-0", "done")
    with opened.reading() as connection:
        lines, total = items.list_items(connection, "ada", words="ANSWER 2", limit=3)
        assert (total, [each.key for each in lines]) == (12, ["item-2", "item-12", "item-20"])
        lines, total = items.list_items(connection, "ada", state="done")
        assert [(each.key, each.state, each.opening) for each in lines] == [
            ("item-0", "done", "Answer 0 with a dog.")
        ]
        assert items.list_items(connection, "ada", words="100%")[1] == 0
        assert items.counts_of(connection, "ada")["correct"].done == 1
        assert items.counts_of(connection, "bo")["correct"].model_dump() == {
            "items": 30,
            "done": 0,
            "skipped": 0,
        }


def test_settings_are_written_over(opened: Database):
    with opened.writing() as connection:
        assert items.read_setting(connection, "project") is None
        items.write_setting(connection, "project", json.dumps(1))
        items.write_setting(connection, "project", json.dumps(2))
        assert items.read_setting(connection, "project") == "2"
        assert connection.execute(select(ITEMS)).all() == []


def test_arrivals_are_items_with_new_events_late_numbers_and_deletions_included(opened: Database):
    arrivals = events.Arrivals()
    first = [event(f"item-{number}", marked("dog")) for number in (1, 2, 1)]
    with opened.writing() as connection:
        items.add_items(connection, [item_of(f"item-{number}") for number in range(1, 5)])
        items.add_person(connection, "ada", "Ada", "owner")
        assert arrivals.look(connection) == ([], False)
        events.append(connection, "ada", first)
        assert arrivals.look(connection) == (["item-1", "item-2"], False)
        assert arrivals.look(connection) == ([], False)
        events.append(connection, "ada", [event("item-3", marked("dog"))])
        late = EVENTS.update().where(EVENTS.c.item == "item-3")
        connection.execute(late.values(seq=900))
        assert arrivals.look(connection) == (["item-3"], False)
        events.append(connection, "ada", [event("item-4", marked("dog"))])
        connection.execute(EVENTS.update().where(EVENTS.c.item == "item-4").values(seq=7))
        assert arrivals.look(connection) == (["item-4"], False)
        connection.execute(EVENTS.delete().where(EVENTS.c.item == "item-1"))
        assert arrivals.look(connection) == (["item-2", "item-4", "item-3"], True)
        connection.execute(EVENTS.delete())
        assert arrivals.look(connection) == ([], True)
        assert arrivals.look(connection) == ([], False)


@given(
    st.lists(st.sampled_from(["a dog", "two CATS", "100% fox_y", ""]), max_size=9),
    st.sampled_from(["", "dog", "cats two", "%", "_", "no such word"]),
    st.sampled_from(["", "new", "held", "done"]),
    st.integers(0, 10),
)
def test_a_list_has_what_matches_in_order_and_its_whole_number(
    texts: list[str], words: str, state: items.State | Literal[""], offset: int
):
    opened = Database(create_engine("sqlite://"), "memory")
    named = {f"item-{place}": text or "x" for place, text in enumerate(texts)}
    states = {key: ("new", "held", "done")[place % 3] for place, key in enumerate(named)}
    with opened.writing() as connection:
        METADATA.create_all(connection)
        items.add_items(connection, [item_of(key, text) for key, text in named.items()])
        items.add_person(connection, "ada", "Ada", "owner")
        for key, own in states.items():
            if own != "new":
                leases.hold(connection, "ada", key, lease_s=60)
            if own == "done":
                leases.end(connection, "ada", key, "done")
        found, total = items.list_items(
            connection, "ada", words=words, state=state, offset=offset, limit=3
        )
    expected = [
        key
        for key, text in named.items()
        if all(word in text.lower() for word in words.split()) and state in ("", states[key])
    ]
    assert total == len(expected)
    assert [line.key for line in found] == expected[offset : offset + 3]
    assert [line.state for line in found] == [states[line.key] for line in found]
    assert [line.place for line in found] == list(range(offset + 1, offset + len(found) + 1))
