"""Items on which people differ: who looks at them, and which are settled."""

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

from sqlalchemy import Connection, case, delete, func, insert, or_, select, update

from groundtune.store.annotations.records import Task
from groundtune.store.annotations.tables import ASSIGNMENTS, CONFLICTS, ITEMS


class ConflictCounts(NamedTuple):
    """Numbers of a task's conflicts."""

    conflicts: int = 0
    """Those that no reviewer has settled."""
    settled: int = 0


def is_settled(connection: Connection, item: str) -> bool | None:
    """Whether an item's conflict is settled; None if there is none."""
    found = connection.execute(select(CONFLICTS.c.settled).where(CONFLICTS.c.item == item)).scalar()
    return None if found is None else bool(found)


def put_conflict(connection: Connection, item: str, likeness: float) -> None:
    """Note a conflict, or how alike the results are now; one that is settled stays so."""
    if is_settled(connection, item) is None:
        connection.execute(insert(CONFLICTS), [{"item": item, "likeness": likeness}])
    own = update(CONFLICTS).where(CONFLICTS.c.item == item)
    connection.execute(own.values(likeness=likeness))


def drop_conflict(connection: Connection, item: str) -> None:
    """Remove an item's conflict unless it is settled: people agree by now."""
    connection.execute(delete(CONFLICTS).where(CONFLICTS.c.item == item, CONFLICTS.c.settled == 0))


def settle(connection: Connection, item: str, reviewer: str) -> None:
    """Note that a reviewer has decided an item, conflict or not."""
    put_conflict(connection, item, _likeness(connection, item))
    own = update(CONFLICTS).where(CONFLICTS.c.item == item)
    connection.execute(own.values(settled=1, reviewer=reviewer, until=0))


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
    gets it until the lease ends.
    """
    now = time.time() if now is None else now
    mine = (CONFLICTS.c.reviewer == reviewer) & (CONFLICTS.c.until >= now)
    waiting = CONFLICTS.alias("waiting")
    first = (
        select(waiting.c.item)
        .where(waiting.c.settled == 0, waiting.c.item.not_in(besides))
        .where(
            or_(
                waiting.c.reviewer.is_(None),
                waiting.c.until < now,
                waiting.c.reviewer == reviewer,
            )
        )
        .order_by(
            case(((waiting.c.reviewer == reviewer) & (waiting.c.until >= now), 0), else_=1),
            waiting.c.likeness,
            waiting.c.item,
        )
        .limit(1)
        .with_for_update(skip_locked=True, of=waiting)  # not in SQLite
    )
    taken = connection.execute(
        update(CONFLICTS)
        .where(CONFLICTS.c.item == first.scalar_subquery())
        .values(reviewer=reviewer, until=now + lease_s)
        .returning(CONFLICTS.c.item)
    ).scalar()
    if taken is not None:  # one at a time: what the reviewer passed over is free again
        others = mine & (CONFLICTS.c.item != taken) & (CONFLICTS.c.settled == 0)
        connection.execute(update(CONFLICTS).where(others).values(reviewer=None, until=0))
    return None if taken is None else str(taken)


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
    query = select(func.count()).select_from(ASSIGNMENTS).where(ASSIGNMENTS.c.item == item)
    query = query.where(ASSIGNMENTS.c.state == "done", ASSIGNMENTS.c.person != person)
    return connection.execute(query).scalar_one()


def _likeness(connection: Connection, item: str) -> float:
    query = select(CONFLICTS.c.likeness).where(CONFLICTS.c.item == item)
    return connection.execute(query).scalar() or 0.0
