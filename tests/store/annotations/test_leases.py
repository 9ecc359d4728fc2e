"""Who works on which item, in SQLite and in PostgreSQL, with many people at once."""

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, func, select

from annotation_items import item_of
from groundtune.store.annotations import items, leases
from groundtune.store.annotations.database import Database
from groundtune.store.annotations.items import ItemTurn
from groundtune.store.annotations.records import KnownResult
from groundtune.store.annotations.tables import ASSIGNMENTS, ITEMS

PEOPLE = [f"person{n}" for n in range(12)]


def filled(opened: Database, number: int, gold: int = 0, **turn: int) -> None:
    with opened.writing() as connection:
        work = [item_of(f"work-{each:03d}") for each in range(number)]
        known = [item_of(f"gold-{each:03d}", known=KnownResult()) for each in range(gold)]
        items.add_items(connection, work, turns={item.key: ItemTurn(**turn) for item in work})
        assert items.set_known(connection, known) == gold
        for name in PEOPLE:
            items.add_person(connection, name, name, "annotator")


def take(opened: Database, person: str, **options: float) -> str | None:
    with opened.writing() as connection:
        return leases.take_next(connection, person, "correct", **{"lease_s": 60, **options})  # pyright: ignore[reportArgumentType]


def assert_places_add_up(opened: Database) -> None:
    """`free` is `wanted` less those who hold or have finished the item."""
    used = (
        select(func.count())
        .where(ASSIGNMENTS.c.item == ITEMS.c.key, ASSIGNMENTS.c.state != "skipped")
        .scalar_subquery()
    )
    with opened.reading() as connection:
        wrong = select(ITEMS.c.key).where(ITEMS.c.free != ITEMS.c.wanted - used)
        assert connection.execute(wrong).all() == []


def test_many_people_who_take_finish_skip_and_hand_back_at_once_share_no_item(opened: Database):
    filled(opened, 60)

    def work(person: str) -> list[str]:
        drawn, done = random.Random(person), list[str]()
        while (key := take(opened, person)) is not None:
            act = drawn.random()
            with opened.writing() as connection:
                if act < 0.2:
                    assert leases.hand_back(connection, person, [key]) == [key]
                elif act < 0.3:
                    leases.end(connection, person, key, "skipped")
                else:
                    leases.end(connection, person, key, "done")
                    done.append(key)
        return done

    with ThreadPoolExecutor(len(PEOPLE)) as pool:
        done = [key for own in pool.map(work, PEOPLE) for key in own]
    # Those who saw nothing free any more had gone home before the last ones handed items back.
    done += [key for person in PEOPLE for key in work(person)]
    assert len(done) == len(set(done)) == 60
    assert_places_add_up(opened)


def test_the_next_item_is_found_without_looking_at_all_of_them(opened: Database):
    filled(opened, 400)
    plans: list[str] = []

    def explain(connection: Connection, cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.startswith("UPDATE items"):
            prefix = "EXPLAIN QUERY PLAN" if opened.dialect == "sqlite" else "EXPLAIN"
            cursor.execute(f"{prefix} {statement}", values)
            plans.append("\n".join(str(row[-1]) for row in cursor.fetchall()))

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        assert take(opened, "person0") == "work-000"
    finally:
        event.remove(Engine, "before_cursor_execute", explain)
    assert "ix_items_next" in plans[0]
    assert "TEMP B-TREE" not in plans[0]
    assert "Sort" not in plans[0]


def test_an_overlap_of_three_is_filled_by_three_different_people(opened: Database):
    filled(opened, 8, people=3)

    def work(person: str) -> list[str]:
        own: list[str] = []
        while (key := take(opened, person)) is not None:
            with opened.writing() as connection:
                leases.end(connection, person, key, "done")
            own.append(key)
        return own

    with ThreadPoolExecutor(len(PEOPLE)) as pool:
        found = list(pool.map(work, PEOPLE))
    assert all(len(own) == len(set(own)) for own in found)
    assert Counter(key for own in found for key in own) == {f"work-{n:03d}": 3 for n in range(8)}
    assert_places_add_up(opened)


def test_leases_that_ran_out_are_given_to_others_once_each(opened: Database):
    filled(opened, 12)
    for person in PEOPLE:
        assert take(opened, person, now=1000.0) is not None
    with ThreadPoolExecutor(6) as pool:
        later = list(pool.map(partial(take, opened, now=2000.0), PEOPLE))
    assert sorted(filter(None, later)) == [f"work-{n:03d}" for n in range(12)]
    assert_places_add_up(opened)


def test_work_that_goes_on_after_the_lease_ran_out_holds_the_item_again(opened: Database):
    filled(opened, 1)
    take(opened, "person0", now=1000.0)
    with opened.writing() as connection:
        leases.end_leases(connection, 2000.0)
        leases.work_on(connection, "person0", "work-000", lease_s=60)
    assert take(opened, "person1", now=time.time()) is None
    assert_places_add_up(opened)


@pytest.mark.parametrize("ending", ["done", "skipped"])
def test_what_was_finished_or_skipped_and_is_changed_again_is_held(
    opened: Database, ending: leases.Ending
):
    filled(opened, 1)
    assert take(opened, "person0") == "work-000"
    with opened.writing() as connection:
        leases.end(connection, "person0", "work-000", ending)
        leases.work_on(connection, "person0", "work-000", lease_s=60)
        assert leases.held_by(connection, "person0") == ["work-000"]
    assert take(opened, "person1") is None
    assert_places_add_up(opened)


def test_nobody_hands_back_what_another_holds(opened: Database):
    filled(opened, 1)
    take(opened, "person0")
    with opened.writing() as connection:
        assert leases.hand_back(connection, "person1", ["work-000", "no-such-item"]) == []
        assert leases.held_by(connection, "person0") == ["work-000"]
    assert take(opened, "person1") is None


def works(opened: Database, person: str, number: int, **options: float) -> list[str]:
    """The items that a person gets and finishes."""
    own: list[str] = []
    for _ in range(number):
        key = take(opened, person, **options)
        assert key is not None
        with opened.writing() as connection:
            leases.end(connection, person, key, "done")
        own.append(key)
    return own


def places_of_gold(keys: list[str]) -> list[int]:
    return [place for place, key in enumerate(keys) if key.startswith("gold")]


def test_the_share_of_gold_holds_from_the_first_items_and_its_places_are_each_person_s_own(
    opened: Database,
):
    filled(opened, 400, gold=40, people=3)
    people = PEOPLE[:6]
    found = {each: works(opened, each, 60, gold_share=0.1, seed=1) for each in people}
    places = {each: places_of_gold(own) for each, own in found.items()}
    for each in people:
        # One of each ten, from the first ten on.
        assert [place // 10 for place in places[each]] == list(range(6))
        assert len(set(found[each])) == 60
        assert len({b - a for a, b in pairwise(places[each])}) > 2  # not countable
    assert len({tuple(own) for own in places.values()}) == len(people)
    assert len({own[0] for own in places.values()}) >= 4  # nor the first one, by asking others
    met = [[found[each][place] for place in places[each]] for each in people]
    assert len({keys[0] for keys in met}) >= 4
    assert len({key for keys in met for key in keys}) > 15  # of 40, by 36 draws
    assert_places_add_up(opened)


def test_the_places_of_gold_follow_the_seed(opened: Database):
    filled(opened, 100, gold=10, people=2)
    first, again, other = (
        take_all_back(opened, works(opened, "person0", 30, gold_share=0.1, seed=seed))
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def take_all_back(opened: Database, keys: list[str]) -> list[str]:
    with opened.writing() as connection:
        leases.give_up(connection, "person0", keys)
    return keys


def test_gold_that_is_added_late_is_caught_up_with_mixed_into_other_items(opened: Database):
    filled(opened, 300)
    works(opened, "person0", 100, gold_share=0.1, seed=1)
    with opened.writing() as connection:
        known = [item_of(f"gold-{each:03d}", known=KnownResult()) for each in range(40)]
        items.set_known(connection, known)
    later = works(opened, "person0", 100, gold_share=0.1, seed=1)
    assert len(places_of_gold(later)) == 20
    assert 4 <= len(places_of_gold(later[:20])) <= 16  # 10 missing, by half of the items


def test_gold_of_another_task_is_no_part_of_a_task_s_share(opened: Database):
    filled(opened, 40, gold=5)
    with opened.writing() as connection:
        items.add_items(connection, [item_of(f"thumb-{n}", task="thumb") for n in range(30)])
        for _ in range(30):
            key = leases.take_next(
                connection, "person0", "thumb", lease_s=60, gold_share=0.1, seed=1
            )
            assert key is not None
            leases.end(connection, "person0", key, "done")
    own = works(opened, "person0", 20, gold_share=0.1, seed=1)
    assert [place // 10 for place in places_of_gold(own)] == [0, 1]


def test_gold_that_others_write_to_is_passed_over_without_waiting(opened: Database):
    if opened.dialect == "sqlite":
        pytest.skip("SQLite's writers wait for each other from their beginning")
    filled(opened, 20, gold=2)
    order = works(opened, "person0", 2, gold_share=1)
    take_all_back(opened, order)
    with opened.writing() as other:
        leases.lock_items(other, order[:1])
        assert works(opened, "person0", 1, gold_share=1) == order[1:]
        take_all_back(opened, order[1:])
        leases.lock_items(other, order)
        assert works(opened, "person0", 1, gold_share=1) == ["work-000"]
    assert works(opened, "person0", 3, gold_share=1) == [*order, "work-001"]
    assert_places_add_up(opened)


def test_gold_is_not_at_the_end_of_a_list(opened: Database):
    filled(opened, 200, gold=20)
    with opened.writing() as connection:
        for number in range(20):
            leases.hold(connection, "person0", f"gold-{number:03d}", lease_s=60)
        lines, total = items.list_items(connection, "person0", limit=300)
    places = places_of_gold([line.key for line in lines])
    assert total == 220
    assert sum(place < 110 for place in places) in range(3, 18)  # half of 20


def test_gold_that_a_person_did_not_get_is_in_no_list_and_no_count(opened: Database):
    filled(opened, 3, gold=2)
    with opened.writing() as connection:
        assert items.list_items(connection, "person0")[1] == 3
        assert items.counts_of(connection, "person0")["correct"].items == 3
        key = leases.take_next(connection, "person0", "correct", lease_s=60, gold_share=1)
        assert key in ("gold-000", "gold-001")
        assert items.list_items(connection, "person0")[1] == 4
        assert items.counts_of(connection, "person0")["correct"].items == 4
        assert items.list_items(connection, "person1")[1] == 3


def test_an_item_becomes_gold_unless_somebody_has_had_it(opened: Database):
    filled(opened, 2)
    take(opened, "person0")
    with opened.writing() as connection:
        known = [item_of(f"work-{each:03d}", known=KnownResult()) for each in range(2)]
        assert items.set_known(connection, known) == 1
        rows = connection.execute(select(ITEMS.c.key, ITEMS.c.gold).order_by(ITEMS.c.place)).all()
        assert [tuple(row) for row in rows] == [("work-000", 0), ("work-001", 1)]
