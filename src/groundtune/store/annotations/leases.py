"""Who works on which item: one function for both databases.

An item has as many free places as people are wanted for it. Taking it uses one up for the length of
a lease; finishing or skipping it ends the lease; a lease that has run out gives the place back. The
number is in the item's own row, so that PostgreSQL checks it again after waiting for a lock, and
SQLite's writers take turns from BEGIN IMMEDIATE on.
"""

import time
from typing import Literal

from sqlalchemy import Connection, delete, exists, insert, select, update

from groundtune.store.annotations.records import Task
from groundtune.store.annotations.tables import ASSIGNMENTS, ITEMS

Ending = Literal["done", "skipped"]


def take_next(
    connection: Connection,
    person: str,
    task: Task,
    *,
    lease_s: float,
    besides: tuple[str, ...] = (),
    now: float | None = None,
) -> str | None:
    """Take the next item for a person, in a writing transaction; None if there is none.

    An item that the person holds comes first, then those of highest priority. `besides` are items
    that the person has on screen already: to fetch one ahead.
    """
    now = time.time() if now is None else now
    _end_leases(connection, now)
    held = (
        select(ASSIGNMENTS.c.item)
        .join(ITEMS, ITEMS.c.key == ASSIGNMENTS.c.item)
        .where(ASSIGNMENTS.c.person == person, ASSIGNMENTS.c.state == "held")
        .where(ITEMS.c.task == task, ASSIGNMENTS.c.item.not_in(besides))
        .order_by(ASSIGNMENTS.c.id)
        .limit(1)
    )
    if (item := connection.execute(held).scalar()) is not None:
        renew(connection, person, item, lease_s=lease_s, now=now)
        return str(item)
    seen = exists().where(ASSIGNMENTS.c.item == ITEMS.c.key, ASSIGNMENTS.c.person == person)
    free = (
        select(ITEMS.c.key)
        .where(ITEMS.c.task == task, ITEMS.c.free > 0, ~seen)
        .order_by(ITEMS.c.priority.desc(), ITEMS.c.place)
        .limit(1)
        .with_for_update(skip_locked=True)  # SQLite has no row locks and ignores it
    )
    item = connection.execute(free).scalar()
    return None if item is None else hold(connection, person, item, lease_s=lease_s, now=now)


def hold(
    connection: Connection, person: str, item: str, *, lease_s: float, now: float | None = None
) -> str:
    """Take a certain item, whether or not it has a free place, and return its key.

    One that the person has already stays as it is.
    """
    now = time.time() if now is None else now
    own = _state(connection, person, item)
    if own is None:
        row = {"item": item, "person": person, "state": "held", "until": now + lease_s}
        connection.execute(insert(ASSIGNMENTS), [row])
        connection.execute(update(ITEMS).where(ITEMS.c.key == item).values(free=ITEMS.c.free - 1))
    return item


def renew(
    connection: Connection, person: str, item: str, *, lease_s: float, now: float | None = None
) -> None:
    """Start a held item's lease anew."""
    now = time.time() if now is None else now
    connection.execute(
        update(ASSIGNMENTS)
        .where(ASSIGNMENTS.c.person == person, ASSIGNMENTS.c.item == item)
        .where(ASSIGNMENTS.c.state == "held")
        .values(until=now + lease_s)
    )


def reopen(connection: Connection, person: str, item: str, *, lease_s: float) -> None:
    """Hold a finished item again, which the person changed after all."""
    mine = (ASSIGNMENTS.c.person == person) & (ASSIGNMENTS.c.item == item)
    done = ASSIGNMENTS.c.state == "done"
    values = {"state": "held", "until": time.time() + lease_s}
    connection.execute(update(ASSIGNMENTS).where(mine, done).values(values))


def end(connection: Connection, person: str, item: str, ending: Ending) -> None:
    """Finish or skip an item; a skipped one is free for others."""
    before = _state(connection, person, item)
    if before is None:  # the lease ran out, or the person opened it from a list
        hold(connection, person, item, lease_s=0)
    mine = (ASSIGNMENTS.c.person == person) & (ASSIGNMENTS.c.item == item)
    connection.execute(update(ASSIGNMENTS).where(mine).values(state=ending, until=0))
    counted = {"held": 1, "done": 1, "skipped": 0, None: 1}
    change = counted[before] - (1 if ending == "done" else 0)
    if change:
        connection.execute(
            update(ITEMS).where(ITEMS.c.key == item).values(free=ITEMS.c.free + change)
        )


def _state(connection: Connection, person: str, item: str) -> str | None:
    mine = (ASSIGNMENTS.c.person == person) & (ASSIGNMENTS.c.item == item)
    return connection.execute(select(ASSIGNMENTS.c.state).where(mine)).scalar()


def _end_leases(connection: Connection, now: float) -> None:
    over = (ASSIGNMENTS.c.state == "held") & (ASSIGNMENTS.c.until < now)
    ended = connection.execute(delete(ASSIGNMENTS).where(over).returning(ASSIGNMENTS.c.item))
    for (item,) in ended.fetchall():
        connection.execute(update(ITEMS).where(ITEMS.c.key == item).values(free=ITEMS.c.free + 1))
