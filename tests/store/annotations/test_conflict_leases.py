"""Who has which conflict in the reviewers' queue, in SQLite and PostgreSQL, with many at once."""

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest
from sqlalchemy import select

from annotation_items import item_of
from groundtune.store.annotations import conflicts, items
from groundtune.store.annotations.database import Database
from groundtune.store.annotations.tables import CONFLICTS

REVIEWERS = [f"reviewer{n}" for n in range(6)]


def filled(opened: Database, number: int) -> list[str]:
    """Conflicts, the least alike first."""
    keys = [f"item-{each:02d}" for each in range(number)]
    with opened.writing() as connection:
        items.add_items(connection, [item_of(key) for key in keys])
        for place, key in enumerate(keys):
            conflicts.put_conflict(connection, key, place / 100)
        for name in REVIEWERS:
            items.add_person(connection, name, name, "reviewer")
    return keys


def take(opened: Database, reviewer: str, *besides: str, now: float | None = None) -> str | None:
    with opened.writing() as connection:
        return conflicts.take_conflict(connection, reviewer, lease_s=60, besides=besides, now=now)


def test_reviewers_who_take_pass_over_and_settle_at_once_settle_each_conflict_once(
    opened: Database,
):
    keys = filled(opened, 40)

    def work(reviewer: str) -> list[str]:
        drawn, own, passed = random.Random(reviewer), list[str](), list[str]()
        while (key := take(opened, reviewer, *passed)) is not None:
            if drawn.random() < 0.3:
                passed.append(key)
                continue
            with opened.writing() as connection:
                assert conflicts.holder_of(connection, reviewer, key) == "reviewer"
                assert conflicts.is_settled(connection, key) is False
                conflicts.settle(connection, key, reviewer)
            own.append(key)
        return own

    with ThreadPoolExecutor(len(REVIEWERS)) as pool:
        settled = list(pool.map(work, REVIEWERS))
    # What some passed over is free for the others, who had gone home by then.
    settled += [work(reviewer) for reviewer in REVIEWERS]
    assert Counter(key for own in settled for key in own) == dict.fromkeys(keys, 1)
    with opened.reading() as connection:
        rows = connection.execute(select(CONFLICTS.c.settled, CONFLICTS.c.until)).all()
    assert {tuple(row) for row in rows} == {(1, 0)}


@pytest.mark.parametrize("number", [1, 3])
def test_of_reviewers_who_look_at_the_same_moment_each_has_another_conflict(
    opened: Database, number: int
):
    keys = filled(opened, number)
    together = Barrier(len(REVIEWERS))

    def look(reviewer: str) -> str | None:
        together.wait()
        return take(opened, reviewer)

    with ThreadPoolExecutor(len(REVIEWERS)) as pool:
        found = [key for key in pool.map(look, REVIEWERS) if key is not None]
    assert sorted(found) == keys


def test_of_reviewers_who_hold_one_conflict_at_the_same_moment_one_gets_it(opened: Database):
    (key,) = filled(opened, 1)
    together = Barrier(len(REVIEWERS))

    def hold(reviewer: str) -> conflicts.Holder:
        together.wait()
        with opened.writing() as connection:
            return conflicts.hold_conflict(connection, reviewer, key, lease_s=60)

    with ThreadPoolExecutor(len(REVIEWERS)) as pool:
        found = Counter(pool.map(hold, REVIEWERS))
    assert found == {"reviewer": 1, "another": len(REVIEWERS) - 1}


def test_a_lease_that_ran_out_is_given_to_one_other(opened: Database):
    (key,) = filled(opened, 1)
    assert take(opened, REVIEWERS[0], now=1000.0) == key
    assert take(opened, REVIEWERS[1], now=1050.0) is None
    with ThreadPoolExecutor(4) as pool:
        later = list(pool.map(partial(take, opened, now=2000.0), REVIEWERS[1:5]))
    assert sorted(map(str, later)) == ["None", "None", "None", key]


def test_work_on_an_item_renews_its_reviewer_s_lease_and_no_other_s(opened: Database):
    (key,) = filled(opened, 1)
    now = time.time()
    take(opened, "reviewer0", now=now - 59)
    with opened.writing() as connection:
        conflicts.renew_conflict(connection, "reviewer1", key, lease_s=1000)
    assert take(opened, "reviewer1", now=now + 30) == key
    with opened.writing() as connection:
        conflicts.renew_conflict(connection, "reviewer1", key, lease_s=1000)
    assert take(opened, "reviewer0", now=now + 500) is None


def test_what_a_reviewer_passes_over_is_free_even_if_nothing_else_is_left(opened: Database):
    (key,) = filled(opened, 1)
    assert take(opened, "reviewer0") == key
    assert take(opened, "reviewer0") == key
    assert take(opened, "reviewer0", key) is None
    assert take(opened, "reviewer1") == key


def test_a_settled_conflict_stays_with_who_settled_it(opened: Database):
    (key,) = filled(opened, 1)
    with opened.writing() as connection:
        conflicts.settle(connection, key, "reviewer0")
        for reviewer, holder in (("reviewer0", "reviewer"), ("reviewer1", "settled")):
            assert conflicts.hold_conflict(connection, reviewer, key, lease_s=60) == holder
        assert conflicts.settled_by(connection, [key]) == {key: "reviewer0"}
        assert conflicts.hold_conflict(connection, "reviewer1", "none", lease_s=60) == "nobody"
