"""How far a project is, by task, and in which order its items are asked."""

from collections.abc import Mapping
from typing import NamedTuple, cast

from sqlalchemy import Connection, case, func, select

from groundtune.store.annotations.records import Task
from groundtune.store.annotations.tables import ASSIGNMENTS, ITEMS


class TaskProgress(NamedTuple):
    """Numbers of items of a task; those whose results are known are counted apart."""

    items: int = 0
    begun: int = 0
    """Finished by somebody."""
    overlapping: int = 0
    """Finished by two people or more."""
    finished: int = 0
    """Finished by as many people as are wanted."""
    gold: int = 0
    """Items whose results are known."""


class DrawnTurn(NamedTuple):
    """When an item is asked that was drawn by its size (`feedback/asking_order.py`)."""

    priority: float
    size: float


def progress_of(connection: Connection) -> dict[Task, TaskProgress]:
    """Return the progress of each task that has items."""
    finished = (
        select(ASSIGNMENTS.c.item, func.count().label("people"))
        .where(ASSIGNMENTS.c.state == "done")
        .group_by(ASSIGNMENTS.c.item)
        .subquery()
    )
    people = func.coalesce(finished.c.people, 0)
    is_asked = ITEMS.c.gold == 0
    numbers = [
        func.sum(case((condition, 1), else_=0))
        for condition in (
            is_asked,
            is_asked & (people >= 1),
            is_asked & (people >= 2),
            is_asked & (people >= ITEMS.c.wanted),
            ITEMS.c.gold == 1,
        )
    ]
    query = (
        select(ITEMS.c.task, *numbers)
        .select_from(ITEMS.outerjoin(finished, finished.c.item == ITEMS.c.key))
        .group_by(ITEMS.c.task)
    )
    return {
        cast("Task", row[0]): TaskProgress(*(int(number) for number in row[1:]))
        for row in connection.execute(query)
    }


def drawn_turns(connection: Connection, task: Task) -> Mapping[str, DrawnTurn]:
    """Return the turns of a task's items whose order prefers some; none where all are alike."""
    query = select(ITEMS.c.key, ITEMS.c.priority, ITEMS.c.size)
    query = query.where(ITEMS.c.task == task, ITEMS.c.gold == 0, ITEMS.c.size != 1)
    return {str(key): DrawnTurn(float(p), float(s)) for key, p, s in connection.execute(query)}
