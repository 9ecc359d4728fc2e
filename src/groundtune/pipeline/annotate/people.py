"""People of a project: accounts, invitations, logging in and out; each step in the audit trail."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from groundtune.pipeline.annotate.passwords import hash_of, is_weak, matches
from groundtune.records import Record
from groundtune.store.annotations import accounts, audit, failures, leases, links, sessions
from groundtune.store.annotations.accounts import Account
from groundtune.store.annotations.database import Database
from groundtune.store.annotations.items import Role
from groundtune.store.annotations.links import Link

LONGEST_NAME = 100
Why = Literal[
    "bad_name", "weak_password", "name_taken", "wrong_login", "wait", "no_link", "last_owner",
    "no_person", "several_people",
]  # fmt: skip


class PeopleError(Exception):
    """What was wanted of an account can't be done; `name` is an entry of the app's catalogue."""

    def __init__(self, name: Why, **values: object) -> None:
        super().__init__(name)
        self.name: Why = name
        self.values = values


class LinkView(Record):
    """What a person who opens a link sees."""

    role: Role
    name: str
    """Of the person whose password it sets; "" for an invitation."""


def add_account(
    database: Database, name: str, role: Role, password: str, *, by: str | None = None
) -> str:
    """Give a person a role and a password, and return their id; add them unless they are there.

    Somebody who worked under this name without a password is the same person.

    Raises:
        PeopleError: bad_name, weak_password, or name_taken by somebody with a password.
    """
    name = _checked(name, password)
    hashed = hash_of(password)
    with _names_differ(database) as connection:
        account = _nameless(connection, name)
        if account is None:
            person = accounts.create_account(connection, name, role, hashed)
        else:
            person = account.id
            accounts.set_password(connection, person, hashed)
            accounts.set_role(connection, person, role)
        audit.note(connection, by, "account_added", person, role=role)
    return person


def log_in(database: Database, name: str, password: str, *, address: str, agent: str) -> str:
    """Check a password, and return the token of a new session.

    A try counts as failed until it has succeeded: tries at the same time are no way around waiting.

    Raises:
        PeopleError: wrong_login, or wait with `seconds`.
    """
    with database.writing() as connection:
        stored = accounts.password_of(connection, name)
        login = accounts.login_of(name) if stored else ""
        _count_try(connection, login, address)
    if not matches(password, stored[1] if stored else None) or stored is None:
        raise PeopleError("wrong_login")
    with database.writing() as connection:
        failures.clear_failures(connection, login, address)
        audit.note(connection, stored[0], "logged_in", stored[0])
        return sessions.begin_session(connection, stored[0], agent=agent)


def log_out(database: Database, person: str, session: str) -> None:
    """End a session."""
    with database.writing() as connection:
        if sessions.end_session(connection, session, person):
            audit.note(connection, person, "logged_out", person)


def end_session(database: Database, person: str, session: str) -> bool:
    """End one of a person's own sessions; return whether there was such a one."""
    with database.writing() as connection:
        existed = sessions.end_session(connection, session, person)
        if existed:
            audit.note(connection, person, "sessions_ended", person, sessions=1)
    return existed


def end_sessions(database: Database, by: str | None, person: str, *, besides: str = "") -> int:
    """End a person's sessions but for one; return how many there were."""
    with database.writing() as connection:
        number = sessions.end_sessions(connection, person, besides=besides)
        audit.note(connection, by, "sessions_ended", person, sessions=number)
    return number


def invite(database: Database, by: str | None, role: Role, *, uses: int, days: float) -> str:
    """Return the token of a link by which `uses` people may join within `days` days."""
    with database.writing() as connection:
        audit.note(connection, by, "invited", role=role, uses=uses, days=days)
        return links.make_link(connection, role, uses=uses, days=days)


def password_link(database: Database, by: str | None, person: str, *, days: float = 1) -> str:
    """Return the token of a link by which a person sets a new password.

    Raises:
        PeopleError: no_person.
    """
    with database.writing() as connection:
        account = known_account(connection, person)
        audit.note(connection, by, "password_link_made", person)
        return links.make_link(connection, account.role, person=person, days=days)


def withdraw(database: Database, by: str | None, link: str) -> None:
    """Make a link useless, by its id.

    Raises:
        PeopleError: no_link.
    """
    with database.writing() as connection:
        if not links.withdraw_link(connection, link):
            raise PeopleError("no_link")
        audit.note(connection, by, "link_withdrawn")


def look_at_link(database: Database, token: str) -> LinkView:
    """What a link is for.

    Raises:
        PeopleError: no_link, where it is over, used up or withdrawn.
    """
    with database.reading() as connection:
        link = _link(connection, token)
        name = known_account(connection, link.person).name if link.person else ""
    return LinkView(role=link.role, name=name)


def use_link(database: Database, token: str, name: str, password: str, *, agent: str) -> str:
    """Join by an invitation, or set a new password; return the token of a new session.

    The name counts for invitations only. A new password ends the person's other sessions.

    Raises:
        PeopleError: no_link, bad_name, weak_password or name_taken.
    """
    view = look_at_link(database, token)
    name = _checked(view.name or name, password)
    hashed = hash_of(password)
    with _names_differ(database) as connection:
        link = _link(connection, token)
        if not links.use_link(connection, link):
            raise PeopleError("no_link")
        person = link.person
        if person is None:
            person = accounts.create_account(connection, name, link.role, hashed)
            audit.note(connection, person, "joined", person, role=link.role)
        else:
            accounts.set_password(connection, person, hashed)
            sessions.end_sessions(connection, person)
            audit.note(connection, person, "password_set_by_link", person)
        return sessions.begin_session(connection, person, agent=agent)


def change_password(
    database: Database, person: str, old: str, new: str, *, session: str, address: str
) -> None:
    """Set a new password of a person who knows the old one, and end their other sessions.

    Raises:
        PeopleError: wrong_login, wait or weak_password.
    """
    with database.writing() as connection:
        name = known_account(connection, person).name
        stored = accounts.password_of(connection, name)
        login = accounts.login_of(name)
        _count_try(connection, login, address)
    if not matches(old, stored[1] if stored else None):
        raise PeopleError("wrong_login")
    _checked(name, new)
    hashed = hash_of(new)
    with database.writing() as connection:
        failures.clear_failures(connection, login, address)
        accounts.set_password(connection, person, hashed)
        sessions.end_sessions(connection, person, besides=session)
        audit.note(connection, person, "password_changed", person)


def set_password(database: Database, person: str, password: str, *, by: str | None = None) -> int:
    """Set a person's password without the old one, and return how many sessions that ended.

    Raises:
        PeopleError: no_person, weak_password, or name_taken by somebody with a password.
    """
    with database.reading() as connection:
        name = known_account(connection, person).name
    _checked(name, password)
    hashed = hash_of(password)
    with _names_differ(database) as connection:
        accounts.set_password(connection, person, hashed)
        number = sessions.end_sessions(connection, person)
        audit.note(connection, by, "password_changed", person)
    return number


def change_role(database: Database, by: str | None, person: str, role: Role) -> None:
    """Change what a person may do, at once.

    Raises:
        PeopleError: no_person, or last_owner.
    """
    with database.writing() as connection:
        before = known_account(connection, person).role
        accounts.set_role(connection, person, role)
        keep_an_owner(connection, before)
        audit.note(connection, by, "role_changed", person, before=before, role=role)


def close_account(database: Database, by: str | None, person: str) -> None:
    """Let a person log in no more, and end their sessions; their work stays.

    Raises:
        PeopleError: no_person, or last_owner.
    """
    with database.writing() as connection:
        account = known_account(connection, person)
        accounts.set_closed(connection, person, closed=True)
        keep_an_owner(connection, account.role)
        sessions.end_sessions(connection, person)
        links.withdraw_links_of(connection, person)
        audit.note(connection, by, "access_ended", person)


def reopen_account(database: Database, by: str | None, person: str) -> None:
    """Let a person log in again.

    Raises:
        PeopleError: no_person.
    """
    with database.writing() as connection:
        known_account(connection, person)
        accounts.set_closed(connection, person, closed=False)
        audit.note(connection, by, "access_given_back", person)


def everybody(database: Database) -> list[tuple[Account, int]]:
    """All people, each with how many items they have finished."""
    with database.reading() as connection:
        counts = leases.done_by_person(connection)
        return [(each, counts.get(each.id, 0)) for each in accounts.accounts(connection)]


def has_owner(database: Database) -> bool:
    """Whether an owner can log in."""
    with database.reading() as connection:
        return accounts.owners_with_password(connection) > 0


def _checked(name: str, password: str) -> str:
    """The name with single blanks. Raises PeopleError for a bad name or a weak password."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise PeopleError("bad_name", longest=LONGEST_NAME)
    if is_weak(password, name):
        raise PeopleError("weak_password")
    return name


def _count_try(connection: Connection, login: str, address: str) -> None:
    seconds = failures.wait_s(connection, login, address)
    if seconds:
        raise PeopleError("wait", seconds=int(seconds) + 1)
    failures.add_failure(connection, login, address)


def keep_an_owner(connection: Connection, before: Role) -> None:
    """Raise PeopleError where the last owner who can log in has just gone; `before` is the role."""
    if before == "owner" and not accounts.owners_with_password(connection):
        raise PeopleError("last_owner")


def known_account(connection: Connection, person: str) -> Account:
    """The account with an id. Raises PeopleError where there is none."""
    account = accounts.account_of(connection, person)
    if account is None:
        raise PeopleError("no_person")
    return account


def _link(connection: Connection, token: str) -> Link:
    link = links.find_link(connection, token)
    if link is None:
        raise PeopleError("no_link")
    return link


def _nameless(connection: Connection, name: str) -> Account | None:
    """Who worked under a name without a password."""
    login = accounts.login_of(name)
    for each in accounts.accounts(connection):
        if not each.has_password and each.closed is None and accounts.login_of(each.name) == login:
            return each
    return None


@contextmanager
def _names_differ(database: Database) -> Generator[Connection]:
    """A writing transaction; raises PeopleError where somebody else has the name."""
    try:
        with database.writing() as connection:
            yield connection
    except (ValueError, IntegrityError) as error:
        raise PeopleError("name_taken") from error
