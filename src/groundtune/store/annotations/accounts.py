"""People with accounts: who they are, which role they have, and the hash of their password.

A person logs in with their name, written in any case. Ids of accounts are random, so that exports
name nobody.
"""

import secrets
import time
import unicodedata

from sqlalchemy import Connection, RowMapping, bindparam, func, insert, select, update

from groundtune.records import Record
from groundtune.store.annotations.items import Role
from groundtune.store.annotations.tables import PEOPLE


class Account(Record):
    """A person as an owner sees them."""

    id: str
    name: str
    role: Role
    created: float
    """Seconds since 1970, as the other times."""
    closed: float | None
    """Since when they can't log in any more."""
    has_password: bool

    @property
    def can_log_in(self) -> bool:
        """Whether they have a password, and the account is open."""
        return self.has_password and self.closed is None


_ACCOUNT = select(PEOPLE).where(PEOPLE.c.id == bindparam("who"))


def login_of(name: str) -> str:
    """What two spellings of a name have in common: nobody may take another one's name."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def new_person_id() -> str:
    """A random id."""
    return f"p{secrets.token_hex(8)}"


def create_account(connection: Connection, name: str, role: Role, password: str) -> str:
    """Add a person with a password's hash, and return their id.

    Raises:
        ValueError: somebody has the name.
    """
    person, now = new_person_id(), time.time()
    _refuse_taken(connection, name, person)
    row = {"id": person, "name": name, "role": role, "created": now}
    row |= {"login": login_of(name), "password": password}
    connection.execute(insert(PEOPLE), [row])
    return person


def set_password(connection: Connection, person: str, password: str) -> None:
    """Store a password's hash; with the first one a person can log in by their name.

    Raises:
        ValueError: somebody else logs in with this name.
    """
    name = connection.execute(select(PEOPLE.c.name).where(PEOPLE.c.id == person)).scalar_one()
    _refuse_taken(connection, name, person)
    change = update(PEOPLE).where(PEOPLE.c.id == person)
    connection.execute(change.values(login=login_of(name), password=password))


def set_role(connection: Connection, person: str, role: Role) -> None:
    """Change what a person may do."""
    connection.execute(update(PEOPLE).where(PEOPLE.c.id == person).values(role=role))


def set_closed(connection: Connection, person: str, *, closed: bool) -> None:
    """Close an account or open it again."""
    values = {"closed": time.time() if closed else None}
    connection.execute(update(PEOPLE).where(PEOPLE.c.id == person).values(values))


def password_of(connection: Connection, login: str) -> tuple[str, str] | None:
    """The id and the password's hash of who may log in with a name; None for nobody."""
    row = connection.execute(
        select(PEOPLE.c.id, PEOPLE.c.password)
        .where(PEOPLE.c.login == login_of(login), PEOPLE.c.closed.is_(None))
        .where(PEOPLE.c.password.is_not(None))
    ).first()
    return None if row is None else (str(row[0]), str(row[1]))


def account_of(connection: Connection, person: str) -> Account | None:
    """The account with an id."""
    row = connection.execute(_ACCOUNT, {"who": person}).mappings().first()
    return None if row is None else _account(row)


def accounts(connection: Connection) -> list[Account]:
    """Everybody, in the order in which they came."""
    rows = connection.execute(select(PEOPLE).order_by(PEOPLE.c.created, PEOPLE.c.id)).mappings()
    return [_account(row) for row in rows]


def owners_with_password(connection: Connection) -> int:
    """How many owners can log in: a project needs one."""
    query = select(func.count()).select_from(PEOPLE)
    query = query.where(PEOPLE.c.role == "owner", PEOPLE.c.closed.is_(None))
    return connection.execute(query.where(PEOPLE.c.password.is_not(None))).scalar_one()


def _refuse_taken(connection: Connection, name: str, person: str) -> None:
    others = select(PEOPLE.c.id).where(PEOPLE.c.login == login_of(name), PEOPLE.c.id != person)
    if connection.execute(others).first() is not None:
        raise ValueError("somebody has this name")


def _account(row: RowMapping) -> Account:
    return Account(
        id=row["id"],
        name=row["name"],
        role=row["role"],
        created=row["created"],
        closed=row["closed"],
        has_password=row["password"] is not None,
    )
