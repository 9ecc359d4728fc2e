"""Events: appended once each, however often they are sent."""

import json
import time
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, bindparam, func, insert, select

from groundtune.records import Record
from groundtune.store.annotations.records import Event
from groundtune.store.annotations.tables import EVENTS
from groundtune.store.json_writing import json_of

_LATE = 1000
"""How many numbers may be given to events before one of a lower number is there."""
_KNOWN = select(EVENTS.c.id).where(EVENTS.c.id.in_(bindparam("ids", expanding=True)))
_APPEND = insert(EVENTS)


class StoredEvent(Record):
    """An event as the database has it."""

    seq: int
    """Its place in the order of all events."""
    person: str
    received: float
    """Seconds since 1970 by the server's clock."""
    event: Event


def known_ids(connection: Connection, ids: Iterable[str]) -> set[str]:
    """Those of the ids that were stored before."""
    rows = connection.execute(_KNOWN, {"ids": list(ids)})
    return {str(row[0]) for row in rows}


def append(connection: Connection, person: str, events: Sequence[Event]) -> None:
    """Add events in order; the caller has left out those whose ids are known."""
    if not events:
        return
    now = time.time()
    rows = [
        {
            "id": each.id,
            "item": each.item,
            "person": person,
            "body": json_of(each.body),
            "at": each.at,
            "received": now,
            "active_s": each.active_s,
        }
        for each in events
    ]
    connection.execute(_APPEND, rows)


def events_of(
    connection: Connection, *, item: str = "", items: Sequence[str] | None = None, person: str = ""
) -> list[StoredEvent]:
    """Events in the order of arrival: of an item or of several, of a person."""
    query = _query(bool(item), items is not None, bool(person))
    values = {"of_item": item, "of_items": list(items or ()), "of_person": person}
    return [_stored(row) for row in connection.execute(query, values).mappings()]


@cache  # every request needs one, and to make it takes longer than to execute it
def _query(of_item: bool, of_items: bool, of_person: bool) -> Select[Any]:
    query = select(EVENTS).order_by(EVENTS.c.seq)
    if of_item:
        query = query.where(EVENTS.c.item == bindparam("of_item"))
    if of_items:
        query = query.where(EVENTS.c.item.in_(bindparam("of_items", expanding=True)))
    if of_person:
        query = query.where(EVENTS.c.person == bindparam("of_person"))
    return query


class Arrivals:
    """Which items have events that weren't there at the last look."""

    def __init__(self) -> None:
        self._newest = 0
        self._number = 0
        self._recent: frozenset[int] = frozenset()

    def look(self, connection: Connection) -> tuple[list[str], bool]:
        """Return the items, and whether all that was known of items before must be forgotten.

        That is so where events were deleted. PostgreSQL numbers events before it shows them, so one
        of a lower number may come after one of a higher number; up to 1,000 numbers are looked at
        again.
        """
        total = select(func.count()).select_from(EVENTS).scalar_subquery()
        query = select(EVENTS.c.seq, EVENTS.c.item, total).order_by(EVENTS.c.seq)
        rows = connection.execute(query.where(EVENTS.c.seq > self._newest - _LATE)).all()
        fresh = [(int(row[0]), str(row[1])) for row in rows if row[0] not in self._recent]
        number = int(rows[0][2]) if rows else 0
        if number != self._number + len(fresh):
            known_before = self._number > 0
            self._newest, self._number, self._recent = 0, 0, frozenset()
            return (self.look(connection)[0] if number else []), known_before
        self._number = number
        if rows:
            self._newest = int(rows[-1][0])
        late = (int(row[0]) for row in rows if row[0] > self._newest - _LATE)
        self._recent = frozenset(late)
        return list(dict.fromkeys(item for _, item in fresh)), False


def _stored(row: RowMapping) -> StoredEvent:
    event = Event(
        id=row["id"],
        item=row["item"],
        body=json.loads(row["body"]),
        at=row["at"],
        active_s=row["active_s"],
    )
    return StoredEvent(seq=row["seq"], person=row["person"], received=row["received"], event=event)
