"""Sessions of people who logged in: rows that can be ended at any time.

The browser has a random token; the database has its SHA-256, which is no use to who reads it.
"""

import secrets
import time
from hashlib import sha256

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from groundtune.records import Record
from groundtune.store.annotations.items import Role
from groundtune.store.annotations.tables import PEOPLE, SESSIONS

IDLE_S = 7 * 86_400
"""A session ends after this many seconds without use,"""
LONGEST_S = 30 * 86_400
"""and after this many in any case."""
_SEEN_EVERY_S = 300


class Session(Record):
    """Where a person is logged in."""

    id: str
    person: str
    agent: str
    """What the browser calls itself."""
    created: float
    seen: float


class SessionPerson(Record):
    """Whose session it is."""

    session: str
    person: str
    name: str
    role: Role
    is_due: bool
    """Whether its last use was noted so long ago that it should be noted again."""


def begin_session(
    connection: Connection, person: str, *, agent: str = "", now: float | None = None
) -> str:
    """Log a person in, and return the token for their browser. Sessions that are over go."""
    now = time.time() if now is None else now
    connection.execute(delete(SESSIONS).where(_is_over(now)))
    token = secrets.token_urlsafe(32)
    row = {"id": id_of_token(token), "person": person, "agent": agent[:200]}
    connection.execute(insert(SESSIONS), [row | {"created": now, "seen": now}])
    return token


def find_session(
    connection: Connection, token: str, *, now: float | None = None
) -> SessionPerson | None:
    """Whose session a token is of; None if it is over, was ended, or never was."""
    now = time.time() if now is None else now
    values = {"session": id_of_token(token), "idle": now - IDLE_S, "oldest": now - LONGEST_S}
    row = connection.execute(_FIND, values).first()
    if row is None:
        return None
    session, last_seen, person, name, role = row
    is_due = last_seen < now - _SEEN_EVERY_S
    return SessionPerson(session=session, person=person, name=name, role=role, is_due=is_due)


def renew_session(connection: Connection, session: str, *, now: float | None = None) -> None:
    """Note that a session is used."""
    now = time.time() if now is None else now
    connection.execute(update(SESSIONS).where(SESSIONS.c.id == session).values(seen=now))


def end_session(connection: Connection, session: str, person: str) -> bool:
    """End a session of a person; return whether there was one."""
    is_match = (SESSIONS.c.id == session) & (SESSIONS.c.person == person)
    return connection.execute(delete(SESSIONS).where(is_match)).rowcount > 0


def end_sessions(connection: Connection, person: str, *, besides: str = "") -> int:
    """End all sessions of a person, but for one; return how many there were."""
    is_match = (SESSIONS.c.person == person) & (SESSIONS.c.id != besides)
    return connection.execute(delete(SESSIONS).where(is_match)).rowcount


def sessions_of(
    connection: Connection, person: str = "", *, now: float | None = None
) -> list[Session]:
    """A person's sessions, or everybody's, the last used first."""
    now = time.time() if now is None else now
    query = select(SESSIONS).where(~_is_over(now)).order_by(SESSIONS.c.seen.desc())
    if person:
        query = query.where(SESSIONS.c.person == person)
    return [_session(row) for row in connection.execute(query).mappings()]


def id_of_token(token: str) -> str:
    """The id of a session or link: the SHA-256 of its token."""
    return sha256(token.encode("utf-8", "replace")).hexdigest()


def _is_over(now: float) -> ColumnElement[bool]:
    return (SESSIONS.c.seen < now - IDLE_S) | (SESSIONS.c.created < now - LONGEST_S)


# Made once, for every request needs it.
_FIND = (
    select(SESSIONS.c.id, SESSIONS.c.seen, PEOPLE.c.id, PEOPLE.c.name, PEOPLE.c.role)
    .join(PEOPLE, PEOPLE.c.id == SESSIONS.c.person)
    .where(SESSIONS.c.id == bindparam("session"), PEOPLE.c.closed.is_(None))
    .where(SESSIONS.c.seen >= bindparam("idle"), SESSIONS.c.created >= bindparam("oldest"))
)


def _session(row: RowMapping) -> Session:
    return Session(**row)
