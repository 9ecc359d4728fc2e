"""Events: appended once each, whoever sends them how often."""

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, RowMapping, func, insert, select

from groundtune.records import Record
from groundtune.store.annotations.records import Body, Event
from groundtune.store.annotations.tables import EVENTS
from groundtune.store.json_writing import json_of

_BODY: TypeAdapter[Any] = TypeAdapter(Body)


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
    found = connection.execute(select(EVENTS.c.id).where(EVENTS.c.id.in_(list(ids))))
    return {str(row[0]) for row in found}


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
    connection.execute(insert(EVENTS), rows)


def events_of(
    connection: Connection, *, item: str = "", person: str = "", after: int = 0
) -> list[StoredEvent]:
    """Events in the order of arrival: of an item, of a person, or after one with number `after`."""
    query = select(EVENTS).where(EVENTS.c.seq > after).order_by(EVENTS.c.seq)
    if item:
        query = query.where(EVENTS.c.item == item)
    if person:
        query = query.where(EVENTS.c.person == person)
    return [_stored(row) for row in connection.execute(query).mappings()]


def newest(connection: Connection) -> int:
    """The number of the newest event; 0 where there is none."""
    return connection.execute(select(func.coalesce(func.max(EVENTS.c.seq), 0))).scalar_one()


def _stored(row: RowMapping) -> StoredEvent:
    event = Event(
        id=row["id"],
        item=row["item"],
        body=_BODY.validate_python(json.loads(row["body"])),
        at=row["at"],
        active_s=row["active_s"],
    )
    return StoredEvent(seq=row["seq"], person=row["person"], received=row["received"], event=event)
