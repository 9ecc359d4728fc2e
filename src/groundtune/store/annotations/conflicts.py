"""Items on which people differ: who looks at them, and which are settled.

A conflict is leased to one reviewer at a time, as items are (`leases.py`): it is taken in one
UPDATE whose inner SELECT skips rows that another transaction has locked; SQLite's writers wait for
each other from BEGIN IMMEDIATE on.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    String,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from groundtune.store.annotations.records import Task
from groundtune.store.annotations.tables import ASSIGNMENTS, CONFLICTS, ITEMS

Holder = Literal["reviewer", "another", "settled", "nobody"]
"""Who has a conflict: the reviewer in question, another one, one who has settled it, or nobody,
for there is none."""


class ConflictCounts(NamedTuple):
    """Numbers of a task's conflicts."""

    conflicts: int = 0
    """Those that no reviewer has settled."""
    settled: int = 0


# Statements of every saved batch, made once.
_WHICH, _WHO = bindparam("which", type_=String), bindparam("who", type_=String)
_RENEW = (
    update(CONFLICTS)
    .where(CONFLICTS.c.item == _WHICH, CONFLICTS.c.reviewer == _WHO, CONFLICTS.c.settled == 0)
    .values(until=bindparam("end"))
)
_SETTLED = select(CONFLICTS.c.settled).where(CONFLICTS.c.item == _WHICH)
_DONE_BY_OTHERS = (
    select(func.count())
    .select_from(ASSIGNMENTS)
    .where(ASSIGNMENTS.c.item == _WHICH, ASSIGNMENTS.c.state == "done")
    .where(ASSIGNMENTS.c.person != _WHO)
)


def is_settled(connection: Connection, item: str) -> bool | None:
    """Whether an item's conflict is settled; None if there is none."""
    value = connection.execute(_SETTLED, {"which": item}).scalar()
    return None if value is None else bool(value)


def put_conflict(connection: Connection, item: str, likeness: float) -> None:
    """Note a conflict, or how alike the results are now; one that is settled stays so."""
    if is_settled(connection, item) is None:
        connection.execute(insert(CONFLICTS), [{"item": item, "likeness": likeness}])
    change = update(CONFLICTS).where(CONFLICTS.c.item == item)
    connection.execute(change.values(likeness=likeness))


def drop_conflict(connection: Connection, item: str) -> None:
    """Remove an item's conflict unless it is settled: people agree by now."""
    connection.execute(delete(CONFLICTS).where(CONFLICTS.c.item == item, CONFLICTS.c.settled == 0))


def settle(connection: Connection, item: str, reviewer: str) -> None:
    """Note that a reviewer has decided an item, conflict or not."""
    put_conflict(connection, item, _likeness(connection, item))
    change = update(CONFLICTS).where(CONFLICTS.c.item == item)
    connection.execute(change.values(settled=1, reviewer=reviewer, until=0))


def take_conflict(
    connection: Connection,
    reviewer: str,
    *,
    lease_s: float,
    besides: Sequence[str] = (),
    now: float | None = None,
) -> str | None:
    """Take the next conflict for a reviewer, in a writing transaction; None if there is none.

    One that the reviewer holds comes first, then those with the least alike results. Nobody else
    gets it until the lease ends; what the reviewer passed over is free again.
    """
    now = time.time() if now is None else now
    item = None
    # Rows that others have locked may be the only ones left, and come free after all.
    for skipping in (False,) if connection.dialect.name == "sqlite" else (True, False):
        item = item or _take(connection, reviewer, besides, now, now + lease_s, skipping)
    passed = (CONFLICTS.c.reviewer == reviewer) & (CONFLICTS.c.settled == 0)
    if item is not None:
        passed &= CONFLICTS.c.item != item
    connection.execute(update(CONFLICTS).where(passed).values(reviewer=None, until=0))
    return item


def _take(
    connection: Connection,
    reviewer: str,
    besides: Sequence[str],
    now: float,
    until: float,
    skip_locked: bool,
) -> str | None:
    waiting = CONFLICTS.alias("waiting")
    is_held = (waiting.c.reviewer == reviewer) & (waiting.c.until >= now)
    first = (
        select(waiting.c.item)
        .where(waiting.c.settled == 0, waiting.c.item.not_in(besides))
        .where(_is_free(waiting, reviewer, now))
        .order_by(case((is_held, 0), else_=1), waiting.c.likeness, waiting.c.item)
        .limit(1)
        .with_for_update(skip_locked=skip_locked, of=waiting)  # not in SQLite
    )
    key = connection.execute(
        update(CONFLICTS)
        .where(CONFLICTS.c.item == first.scalar_subquery())
        .values(reviewer=reviewer, until=until)
        .returning(CONFLICTS.c.item)
    ).scalar()
    return None if key is None else str(key)


def hold_conflict(
    connection: Connection, reviewer: str, item: str, *, lease_s: float, now: float | None = None
) -> Holder:
    """Lease a certain conflict to a reviewer if nobody else has it; return who has it then.

    One that is settled stays with who settled it.
    """
    now = time.time() if now is None else now
    open_one = (CONFLICTS.c.item == item) & (CONFLICTS.c.settled == 0)
    values = {"reviewer": reviewer, "until": now + lease_s}
    free = update(CONFLICTS).where(open_one, _is_free(CONFLICTS, reviewer, now)).values(values)
    if connection.execute(free.returning(CONFLICTS.c.item)).scalar() is not None:
        return "reviewer"
    return holder_of(connection, reviewer, item, now=now)


def renew_conflict(connection: Connection, reviewer: str, item: str, *, lease_s: float) -> None:
    """Start the lease of a conflict anew if the reviewer has it, who works on the item."""
    values = {"which": item, "who": reviewer, "end": time.time() + lease_s}
    connection.execute(_RENEW, values)


def holder_of(
    connection: Connection, reviewer: str, item: str, *, now: float | None = None
) -> Holder:
    """Return who has a conflict; "nobody" also where its lease has run out."""
    now = time.time() if now is None else now
    query = select(CONFLICTS.c.settled, CONFLICTS.c.reviewer, CONFLICTS.c.until)
    row = connection.execute(query.where(CONFLICTS.c.item == item)).first()
    if row is None:
        return "nobody"
    has_decision, who, until = row
    if who == reviewer:
        return "reviewer"
    if has_decision:
        return "settled"
    return "another" if who is not None and until >= now else "nobody"


def _is_free(conflicts: FromClause, reviewer: str, now: float) -> ColumnElement[bool]:
    """Whether nobody else holds a conflict."""
    who, until = conflicts.c.reviewer, conflicts.c.until
    return or_(who.is_(None), until < now, who == reviewer)


def settled_by(connection: Connection, items: Iterable[str] | None = None) -> dict[str, str]:
    """Who settled each settled item; `items` are at most some hundreds, None for all."""
    query = select(CONFLICTS.c.item, CONFLICTS.c.reviewer).where(CONFLICTS.c.settled == 1)
    if items is not None:
        query = query.where(CONFLICTS.c.item.in_(list(items)))
    return {str(item): str(reviewer) for item, reviewer in connection.execute(query)}


def conflict_counts(connection: Connection) -> dict[Task, ConflictCounts]:
    """The numbers of conflicts by task."""
    query = (
        select(ITEMS.c.task, func.sum(1 - CONFLICTS.c.settled), func.sum(CONFLICTS.c.settled))
        .join(ITEMS, ITEMS.c.key == CONFLICTS.c.item)
        .group_by(ITEMS.c.task)
    )
    rows = connection.execute(query)
    return {cast("Task", task): ConflictCounts(int(a), int(b)) for task, a, b in rows}


def number_open(connection: Connection) -> int:
    """How many conflicts no reviewer has settled."""
    query = select(func.count()).select_from(CONFLICTS).where(CONFLICTS.c.settled == 0)
    return connection.execute(query).scalar_one()


def done_by_others(connection: Connection, item: str, person: str) -> int:
    """How many others have finished an item."""
    return connection.execute(_DONE_BY_OTHERS, {"which": item, "who": person}).scalar_one()


def _likeness(connection: Connection, item: str) -> float:
    query = select(CONFLICTS.c.likeness).where(CONFLICTS.c.item == item)
    return connection.execute(query).scalar() or 0.0
