"""Everything that the database has of one person: counted, deleted, or put under a pseudonym.

The audit trail stays, for it says that something was removed; so the person's entries there get a
pseudonym too, a random id that nothing connects with who they were.
"""

import json
import time
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, delete, func, insert, select, update

from groundtune.records import Record
from groundtune.store.annotations import leases
from groundtune.store.annotations.accounts import login_of, new_person_id
from groundtune.store.annotations.tables import (
    ASSIGNMENTS,
    AUDIT,
    CONFLICTS,
    EVENTS,
    FAILURES,
    LINKS,
    METADATA,
    PEOPLE,
    SESSIONS,
)

_ACCOUNT = (SESSIONS, LINKS)
"""Goes in any case."""


class PersonData(Record):
    """How much the database has of a person."""

    events: int
    """What they did to items: marks, replacements, verdicts, comments."""
    comments: int
    """Those of the events with a comment, a reason or a note on what is missing: own words."""
    items: int
    """Items that they have had."""
    sessions: int
    links: int
    """That set their password."""
    failed_logins: int
    audit_entries: int
    """By them or about them; these stay, under a pseudonym."""


class Pseudonym(NamedTuple):
    """Who somebody is after the removal."""

    id: str
    name: str


def data_of(connection: Connection, person: str) -> PersonData:
    """Count what there is of a person."""

    def number(column: Column[str]) -> int:
        rows = select(func.count()).select_from(column.table).where(column == person)
        return connection.execute(rows).scalar_one()

    by_or_about = (AUDIT.c.by == person) | (AUDIT.c.subject == person)
    audit = select(func.count()).select_from(AUDIT).where(by_or_about)
    bodies = connection.execute(select(EVENTS.c.body).where(EVENTS.c.person == person))
    failed = select(func.count()).select_from(FAILURES).where(_failed(connection, person))
    return PersonData(
        events=number(EVENTS.c.person),
        comments=sum(_is_comment(str(row[0])) for row in bodies),
        items=number(ASSIGNMENTS.c.person),
        sessions=number(SESSIONS.c.person),
        links=number(LINKS.c.person),
        failed_logins=connection.execute(failed).scalar_one(),
        audit_entries=connection.execute(audit).scalar_one(),
    )


def _is_comment(body: str) -> bool:
    fields: dict[str, Any] = json.loads(body)
    return fields["type"] == "missing" or bool(fields.get("note") or fields.get("reason"))


def remove_person(connection: Connection, person: str, *, keep_work: bool) -> Pseudonym:
    """Delete a person's name, password, sessions, links and failed logins; return the pseudonym.

    With `keep_work`, their events and items stay, under the pseudonym. Else they are deleted: the
    places on items come free, and conflicts in which they had a part are forgotten.
    """
    connection.execute(delete(FAILURES).where(_failed(connection, person)))
    for table in _ACCOUNT:
        connection.execute(delete(table).where(table.c.person == person))
    if not keep_work:
        _delete_work(connection, person)
    pseudonym = _add_pseudonym(connection, person, keep_work=keep_work)
    for column in _references():
        connection.execute(
            update(column.table).where(column == person).values({column.name: pseudonym.id})
        )
    connection.execute(delete(PEOPLE).where(PEOPLE.c.id == person))
    return pseudonym


def _delete_work(connection: Connection, person: str) -> None:
    leased_items = [
        str(row[0])
        for row in connection.execute(
            select(ASSIGNMENTS.c.item).where(ASSIGNMENTS.c.person == person)
        )
    ]
    person_items = select(EVENTS.c.item).where(EVENTS.c.person == person)
    connection.execute(delete(CONFLICTS).where(CONFLICTS.c.item.in_(person_items)))
    undecided = {"settled": 0, "reviewer": None, "until": 0}
    connection.execute(update(CONFLICTS).where(CONFLICTS.c.reviewer == person).values(undecided))
    connection.execute(delete(EVENTS).where(EVENTS.c.person == person))
    leases.give_up(connection, person, leased_items)


def _add_pseudonym(connection: Connection, person: str, *, keep_work: bool) -> Pseudonym:
    """A closed account without a name. Its role stays with kept work: a reviewer's word counts."""
    role = connection.execute(select(PEOPLE.c.role).where(PEOPLE.c.id == person)).scalar_one()
    person_id = new_person_id()
    name = f"Removed person {person_id[1:5]}"
    row = {"id": person_id, "name": name, "role": role if keep_work else "annotator"}
    now = time.time()
    connection.execute(insert(PEOPLE), [row | {"created": now, "closed": now}])
    return Pseudonym(person_id, name)


def _references() -> list[Column[str]]:
    """Every column of any table that names a person."""
    return [
        key.parent
        for table in METADATA.sorted_tables
        for key in table.foreign_keys
        if key.column is PEOPLE.c.id
    ]


def _failed(connection: Connection, person: str) -> ColumnElement[bool]:
    name = connection.execute(select(PEOPLE.c.name).where(PEOPLE.c.id == person)).scalar_one()
    return FAILURES.c.login == login_of(name)
