"""Conflicts for reviewers: people's results next to each other, and taking one of them.

Taking a side makes the reviewer's own result of it, as events like any other: it can be looked at,
changed and undone in the same way.
"""

import time
from secrets import token_hex

from groundtune.feedback.annotating import AnnotationState
from groundtune.pipeline.annotate.conflicts import done_states
from groundtune.pipeline.annotate.project import EventReceipt, Project
from groundtune.records import Record
from groundtune.store.annotations import conflicts, items
from groundtune.store.annotations.records import (
    AnnotationItem,
    Body,
    Choose,
    DropMissing,
    DropSpan,
    Event,
    PutMissing,
    SetThumb,
    SetVerdict,
    Submit,
)
from groundtune.store.keys import key_of

_AT_ONCE = 400


class ConflictTaken(Exception):
    """Another reviewer has a conflict, or has settled it.

    `holder` says which: "another" or "settled".
    """

    def __init__(self, holder: conflicts.Holder) -> None:
        super().__init__(holder)
        self.holder = holder


class Side(Record):
    """One person's result."""

    key: str
    """Tells sides apart without telling whose they are."""
    person: str
    state: AnnotationState


class Conflict(Record):
    """An item with people's results; a reviewer's that settled it isn't among them."""

    item: AnnotationItem
    sides: tuple[Side, ...]
    """In an order that doesn't depend on who they are."""
    own: AnnotationState | None
    """The result of the reviewer who looks, if they have one."""
    settled: bool
    holder: conflicts.Holder = "nobody"
    """Who has it in the queue, or has settled it."""


def next_conflict(
    project: Project, reviewer: str, besides: tuple[str, ...] = ()
) -> Conflict | None:
    """Lease the next conflict to a reviewer; None if there is none left for them.

    Those that ended meanwhile, because somebody opened their work again, go.
    """
    lease_s = project.settings.lease_minutes * 60
    while True:
        with project.database.writing() as connection:
            key = conflicts.take_conflict(connection, reviewer, lease_s=lease_s, besides=besides)
        if key is None:
            return None
        conflict = conflict_of(project, reviewer, key)
        if conflict is not None and len(conflict.sides) > 1:
            return conflict
        with project.database.writing() as connection:
            conflicts.drop_conflict(connection, key)


def conflict_of(project: Project, reviewer: str, key: str) -> Conflict | None:
    """Return an item's results for a reviewer; None if people have no results that differ."""
    with project.database.reading() as connection:
        item = items.item_of(connection, key)
        settled_side = conflicts.settled_by(connection, [key]).get(key)
        if item is None or conflicts.is_settled(connection, key) is None:
            return None
        states = done_states(connection, key)
        holder = conflicts.holder_of(connection, reviewer, key)
    sides = [
        Side(key=key_of("side", key, person)[:16], person=person, state=state)
        for person, state in states.items()
        if person != settled_side
    ]
    return Conflict(
        item=item,
        sides=tuple(sorted(sides, key=lambda side: side.key)),
        own=states.get(reviewer) if settled_side == reviewer else None,
        settled=settled_side is not None,
        holder=holder,
    )


def open_conflict(project: Project, reviewer: str, key: str) -> Conflict | None:
    """Return an item's results as `conflict_of`, leased to the reviewer if nobody else has it."""
    with project.database.writing() as connection:
        lease_s = project.settings.lease_minutes * 60
        conflicts.hold_conflict(connection, reviewer, key, lease_s=lease_s)
    return conflict_of(project, reviewer, key)


def take_side(
    project: Project, reviewer: str, conflict: Conflict, side: str, *, overrule: bool = False
) -> EventReceipt:
    """Make a side the reviewer's own result, which settles the conflict.

    With `overrule`, also over another reviewer who has settled it.

    Raises:
        KeyError: there is no such side.
        ConflictTaken: another reviewer has the conflict, or has settled it.
    """
    chosen = next((each.state for each in conflict.sides if each.key == side), None)
    if chosen is None:
        raise KeyError(side)
    with project.database.writing() as connection:
        lease_s = project.settings.lease_minutes * 60
        holder = conflicts.hold_conflict(connection, reviewer, conflict.item.key, lease_s=lease_s)
    if holder == "another" or (holder == "settled" and not overrule):
        raise ConflictTaken(holder)
    work = project.work(reviewer, conflict.item.key)
    state = work.state if work else AnnotationState()
    bodies: list[Body] = [DropSpan(id=span.id) for span in state.spans]
    bodies += [DropMissing(id=note.id) for note in state.missing]
    bodies += [span.model_copy(update={"id": _id()}) for span in chosen.spans]
    bodies += [PutMissing(id=_id(), missing=note.missing) for note in chosen.missing]
    bodies += [SetVerdict(verdict=chosen.verdict)]
    if conflict.item.task == "compare":
        bodies.append(Choose(question="hallucinates_more", side=chosen.hallucinates_more))
        bodies.append(Choose(question="better", side=chosen.better))
    if conflict.item.task == "thumb":
        bodies.append(SetThumb(good=chosen.good))
    bodies.append(Submit())
    now = time.time()
    events = [Event(id=_id(), item=conflict.item.key, body=body, at=now) for body in bodies]
    parts = [events[start : start + _AT_ONCE] for start in range(0, len(events), _AT_ONCE)]
    return [project.record(reviewer, part, settling=True) for part in parts][-1]


def _id() -> str:
    return f"side-{token_hex(10)}"
