"""Who works on which item: one function for both databases.

An item has as many free places as people are wanted for it. Taking it uses one up for the length of
a lease; finishing it keeps the place; skipping it, handing it back, and a lease that has run out
free the place again. So `free` is always `wanted` less the people who hold or have finished it.

The number is in the item's own row. PostgreSQL takes it in one UPDATE whose inner SELECT skips rows
that another transaction has locked; SQLite's writers wait for each other from BEGIN IMMEDIATE on.
"""

import random
import time
from collections.abc import Iterable
from functools import cache
from typing import Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    String,
    Update,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    update,
)

from groundtune.store.annotations.records import Task
from groundtune.store.annotations.tables import ASSIGNMENTS, EVENTS, ITEMS
from groundtune.store.keys import seed_of

Ending = Literal["done", "skipped"]
_NONE: ColumnElement[int] = literal_column("0", Integer)
"""Written out, for SQLite uses the index of free items only where the query names its condition."""
_ENDED_AT_ONCE = 200

# Statements of every request are made once: to make one takes four times as long as to execute it.
_WHO = bindparam("who", type_=String)
_WHICH = bindparam("which", type_=String)
_TASK = bindparam("of_task", type_=String)
_IS_OWN = (ASSIGNMENTS.c.person == _WHO) & (ASSIGNMENTS.c.item == _WHICH)
_LOCK = (
    select(ITEMS.c.key)
    .where(ITEMS.c.key.in_(bindparam("keys", expanding=True)))
    .order_by(ITEMS.c.key)
    .with_for_update(key_share=True)
)
_FIRST_HELD = (
    select(ASSIGNMENTS.c.item)
    .join(ITEMS, ITEMS.c.key == ASSIGNMENTS.c.item)
    .where(ASSIGNMENTS.c.person == _WHO, ASSIGNMENTS.c.state == "held")
    .where(ITEMS.c.task == _TASK)
    .where(ASSIGNMENTS.c.item.not_in(bindparam("besides", expanding=True)))
    .order_by(ASSIGNMENTS.c.id)
    .limit(1)
)
_RENEW = (
    update(ASSIGNMENTS)
    .where(_IS_OWN, ASSIGNMENTS.c.state == "held")
    .values(until=bindparam("end"))
    .returning(ASSIGNMENTS.c.id)
)
_OVER = (
    select(ASSIGNMENTS.c.id, ITEMS.c.key)
    .join(ITEMS, ITEMS.c.key == ASSIGNMENTS.c.item)
    .where(ASSIGNMENTS.c.state == "held", ASSIGNMENTS.c.until < bindparam("now"))
    .order_by(ASSIGNMENTS.c.until)
    .limit(_ENDED_AT_ONCE)
    .with_for_update(skip_locked=True, key_share=True)  # never waits, so there's no deadlock
)
_STATE = select(ASSIGNMENTS.c.state).where(_IS_OWN)
_SET_STATE = (
    update(ASSIGNMENTS).where(_IS_OWN).values(state=bindparam("new_state"), until=bindparam("end"))
)
_INSERT = insert(ASSIGNMENTS)
_ADD_FREE = (
    update(ITEMS).where(ITEMS.c.key == _WHICH).values(free=ITEMS.c.free + bindparam("number"))
)
_COUNTS = (
    select(func.count(), func.coalesce(func.sum(ITEMS.c.gold), 0))
    .select_from(ASSIGNMENTS.join(ITEMS, ITEMS.c.key == ASSIGNMENTS.c.item))
    .where(ASSIGNMENTS.c.person == _WHO, ITEMS.c.task == _TASK)
)


def lock_items(connection: Connection, keys: Iterable[str]) -> None:
    """Wait until no other transaction writes to these items.

    SQLite's writers do that from their beginning; PostgreSQL's lock the rows, all in one order.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(_LOCK, {"keys": sorted(set(keys))}).all()


def take_next(
    connection: Connection,
    person: str,
    task: Task,
    *,
    lease_s: float,
    besides: tuple[str, ...] = (),
    gold_share: float = 0,
    seed: int = 0,
    now: float | None = None,
) -> str | None:
    """Take the next item for a person, in a writing transaction; None if there is none.

    An item that the person holds comes first, then those of highest priority. `besides` are items
    that the person has on screen already: to fetch one ahead. Of what a person gets, the share
    `gold_share`, 0 to 1, has a known result as long as such items are left for them: where and
    which ones, `seed` draws for each person.
    """
    now = time.time() if now is None else now
    end_leases(connection, now)
    values = {"who": person, "of_task": task, "besides": list(besides)}
    item = connection.execute(_FIRST_HELD, values).scalar()
    # Another transaction may have ended the lease since it was read.
    if item is not None and renew(connection, person, item, lease_s=lease_s, now=now):
        return str(item)
    next_item = None
    if gold_share > 0 and _is_gold_due(connection, person, task, gold_share, seed):
        next_item = _take_gold(connection, person, task, seed)
    # Rows that others have locked may be the only ones left, and come free after all.
    for skipping in (False,) if connection.dialect.name == "sqlite" else (True, False):
        next_item = next_item or _take_free(connection, person, task, skip_locked=skipping)
    if next_item is not None:
        _insert(connection, person, next_item, until=now + lease_s)
    return next_item


def hold(
    connection: Connection, person: str, item: str, *, lease_s: float, now: float | None = None
) -> str:
    """Take a certain item, whether or not it has a free place, and return its key.

    One that the person has already stays as it is.
    """
    now = time.time() if now is None else now
    if _state(connection, person, item) is None:
        _insert(connection, person, item, until=now + lease_s)
        _add_free(connection, item, -1)
    return item


def renew(
    connection: Connection, person: str, item: str, *, lease_s: float, now: float | None = None
) -> bool:
    """Start a held item's lease anew; return whether the person still holds it."""
    now = time.time() if now is None else now
    values = {"who": person, "which": item, "end": now + lease_s}
    return connection.execute(_RENEW, values).scalar() is not None


def work_on(connection: Connection, person: str, item: str, *, lease_s: float) -> None:
    """Note that a person changed something: hold the item, or renew the lease.

    One that the person had finished or skipped is open again.
    """
    if renew(connection, person, item, lease_s=lease_s):
        return
    before = _state(connection, person, item)
    if before is None:  # opened from a list, handed back, or the lease ran out
        hold(connection, person, item, lease_s=lease_s)
        return
    _set_state(connection, person, item, "held", until=time.time() + lease_s)
    if before == "skipped":
        _add_free(connection, item, -1)


def end(connection: Connection, person: str, item: str, ending: Ending) -> None:
    """Finish or skip an item; a skipped one is free for others."""
    before = _state(connection, person, item)
    if before is None:  # the lease ran out, or the person opened it from a list
        hold(connection, person, item, lease_s=0)
    _set_state(connection, person, item, ending, until=0)
    counted = {"held": 1, "done": 1, "skipped": 0, None: 1}
    _add_free(connection, item, counted[before] - (1 if ending == "done" else 0))


def hand_back(connection: Connection, person: str, keys: Iterable[str]) -> list[str]:
    """Free the items of `keys` that a person holds, and return them.

    What the person did to them stays, and they may get them again.
    """
    sorted_keys = sorted(set(keys))
    is_held = (ASSIGNMENTS.c.person == person) & (ASSIGNMENTS.c.state == "held")
    lock_items(connection, sorted_keys)
    result = connection.execute(
        delete(ASSIGNMENTS)
        .where(is_held, ASSIGNMENTS.c.item.in_(sorted_keys))
        .returning(ASSIGNMENTS.c.item)
    )
    freed = sorted(str(item) for (item,) in result.all())
    for item in freed:
        _add_free(connection, item, 1)
    return freed


def give_up(connection: Connection, person: str, keys: Iterable[str]) -> None:
    """Free the places on items that a person holds or has finished, as if they never had them."""
    sorted_keys = sorted(set(keys))
    lock_items(connection, sorted_keys)
    for start in range(0, len(sorted_keys), _ENDED_AT_ONCE):
        some = sorted_keys[start : start + _ENDED_AT_ONCE]
        is_own = (ASSIGNMENTS.c.person == person) & ASSIGNMENTS.c.item.in_(some)
        deletion = (
            delete(ASSIGNMENTS).where(is_own).returning(ASSIGNMENTS.c.item, ASSIGNMENTS.c.state)
        )
        for item, state in connection.execute(deletion).all():
            _add_free(connection, str(item), 0 if state == "skipped" else 1)


def held_by(connection: Connection, person: str) -> list[str]:
    """The items that a person holds, the first taken first; some leases may have run out."""
    is_held = (ASSIGNMENTS.c.person == person) & (ASSIGNMENTS.c.state == "held")
    query = select(ASSIGNMENTS.c.item).where(is_held).order_by(ASSIGNMENTS.c.id)
    return [str(row[0]) for row in connection.execute(query)]


def is_open_to(connection: Connection, person: str, item: str) -> bool:
    """Whether a person has or has had an item, or there is a free place on it."""
    has_events = exists().where(EVENTS.c.item == item, EVENTS.c.person == person)
    has_assignment = exists().where(ASSIGNMENTS.c.item == item, ASSIGNMENTS.c.person == person)
    query = select(ITEMS.c.key).where(
        ITEMS.c.key == item, (ITEMS.c.free > 0) | has_events | has_assignment
    )
    return connection.execute(query).first() is not None


def done_by_person(connection: Connection) -> dict[str, int]:
    """How many items each person has finished; those of nobody are left out."""
    query = select(ASSIGNMENTS.c.person, func.count()).where(ASSIGNMENTS.c.state == "done")
    rows = connection.execute(query.group_by(ASSIGNMENTS.c.person))
    return {str(person): int(number) for person, number in rows}


def end_leases(connection: Connection, now: float | None = None) -> None:
    """Free the places of leases that have run out, except those that others write to just now."""
    now = time.time() if now is None else now
    for number, item in connection.execute(_OVER, {"now": now}).all():
        connection.execute(delete(ASSIGNMENTS).where(ASSIGNMENTS.c.id == number))
        _add_free(connection, str(item), 1)


def _take_free(connection: Connection, person: str, task: Task, *, skip_locked: bool) -> str | None:
    """Use up a place of the free item of highest priority that the person hasn't had."""
    return _take(connection, _first_free(skip_locked), person, task)


@cache
def _first_free(skip_locked: bool) -> Update:
    waiting = ITEMS.alias("waiting")
    first = _left(waiting, gold=0).order_by(waiting.c.priority.desc(), waiting.c.place).limit(1)
    return _taking(first.with_for_update(skip_locked=skip_locked, key_share=True, of=waiting))


def _take_gold(connection: Connection, person: str, task: Task, seed: int) -> str | None:
    """Use up a place of an item whose result is known, in an order that is each person's own.

    So all of them are met about equally often, and people who sit together can't tell them by
    meeting the same ones first. One that another transaction has locked is passed over: to wait
    for it while holding other rows could be a deadlock.
    """
    values = {"who": person, "of_task": task}
    remaining = connection.execute(_left(ITEMS, gold=1), values).scalars()
    waiting = ITEMS.alias("waiting")
    for key in sorted(remaining, key=lambda key: seed_of(seed, "known", person, key)):
        one = _left(waiting, gold=1).where(waiting.c.key == key)
        one = one.with_for_update(skip_locked=True, key_share=True, of=waiting)
        place = _take(connection, _taking(one), person, task)
        if place is not None:
            return place
    return None


def _left(waiting: FromClause, *, gold: Literal[0, 1]) -> Select[tuple[str]]:
    """The keys of free items that the person hasn't had; `waiting` is the table of items."""
    has_assignment = exists().where(
        ASSIGNMENTS.c.item == waiting.c.key, ASSIGNMENTS.c.person == _WHO
    )
    return select(waiting.c.key).where(
        waiting.c.task == _TASK, waiting.c.gold == gold, waiting.c.free > _NONE, ~has_assignment
    )


def _taking(one: Select[tuple[str]]) -> Update:
    """The statement that uses up a place of the item that a query with one row names."""
    place = update(ITEMS).where(ITEMS.c.key == one.scalar_subquery())
    return place.values(free=ITEMS.c.free - 1).returning(ITEMS.c.key)


def _take(connection: Connection, taking: Update, person: str, task: Task) -> str | None:
    key = connection.execute(taking, {"who": person, "of_task": task}).scalar()
    return None if key is None else str(key)


def _is_gold_due(connection: Connection, person: str, task: Task, share: float, seed: int) -> bool:
    """Whether a person's next item of a task is to be one whose result is known.

    Of each `1 / share` items one is, at a place drawn for each person: the share holds from the
    beginning, and nobody can count when the next one comes. Where people have had too few, because
    such items were added late, every second item catches up, on average.
    """
    counts = connection.execute(_COUNTS, {"who": person, "of_task": task}).one()
    items, gold = (int(number) for number in counts)
    missing = _gold_places(person, task, items, share, seed) - gold
    if missing <= 1:
        return missing == 1
    return random.Random(seed_of(seed, "late", person, task, items)).random() < max(0.5, share)


def _gold_places(person: str, task: Task, place: int, share: float, seed: int) -> int:
    """How many of a person's places 0 to `place` are for known results."""
    number = int((place + 1) * share)  # these places are full, and perhaps the next one is passed
    chance = random.Random(seed_of(seed, "gold", person, task, number)).random()
    return number + (int((number + chance) / share) <= place)


def _insert(connection: Connection, person: str, item: str, *, until: float) -> None:
    row = {"item": item, "person": person, "state": "held", "until": until}
    connection.execute(_INSERT, [row])


def _add_free(connection: Connection, item: str, number: int) -> None:
    if number:
        connection.execute(_ADD_FREE, {"which": item, "number": number})


def _state(connection: Connection, person: str, item: str) -> str | None:
    return connection.execute(_STATE, {"who": person, "which": item}).scalar()


def _set_state(connection: Connection, person: str, item: str, state: str, *, until: float) -> None:
    values = {"who": person, "which": item, "new_state": state, "end": until}
    connection.execute(_SET_STATE, values)
