"""Links that an owner hands out: an invitation into a role, or a new password for one person."""

import secrets
import time

from sqlalchemy import Connection, delete, insert, select, update

from groundtune.records import Record
from groundtune.store.annotations.items import Role
from groundtune.store.annotations.sessions import id_of_token
from groundtune.store.annotations.tables import LINKS


class Link(Record):
    """A link that was made. Its token is known only to who has the link."""

    id: str
    person: str | None
    """Whose password it sets; None invites somebody new."""
    role: Role
    uses: int
    """How many people may still use it."""
    created: float
    until: float
    """Seconds since 1970 at which it ends."""


def make_link(
    connection: Connection, role: Role, *, person: str | None = None, uses: int = 1, days: float = 7
) -> str:
    """Make a link, and return its token. Links that are over go."""
    now = time.time()
    connection.execute(delete(LINKS).where(LINKS.c.until < now))
    token = secrets.token_urlsafe(24)
    row = {"id": id_of_token(token), "person": person, "role": role, "uses": uses}
    connection.execute(insert(LINKS), [row | {"created": now, "until": now + days * 86_400}])
    return token


def find_link(connection: Connection, token: str) -> Link | None:
    """The link with a token; None if it is over, used up or withdrawn."""
    query = select(LINKS).where(LINKS.c.id == id_of_token(token), LINKS.c.until > time.time())
    row = connection.execute(query).mappings().first()
    return None if row is None else Link(**row)


def use_link(connection: Connection, link: Link) -> bool:
    """Use a link once; return whether nobody else had taken its last use meanwhile."""
    has_uses = (LINKS.c.id == link.id) & (LINKS.c.uses > 0)
    number = connection.execute(
        update(LINKS).where(has_uses).values(uses=LINKS.c.uses - 1)
    ).rowcount
    connection.execute(delete(LINKS).where(LINKS.c.id == link.id, LINKS.c.uses <= 0))
    return number > 0


def open_links(connection: Connection) -> list[Link]:
    """The links that can still be used, the newest first."""
    query = select(LINKS).where(LINKS.c.until > time.time()).order_by(LINKS.c.created.desc())
    return [Link(**row) for row in connection.execute(query).mappings()]


def withdraw_link(connection: Connection, link: str) -> bool:
    """Make a link useless, by its id; return whether there was one."""
    return connection.execute(delete(LINKS).where(LINKS.c.id == link)).rowcount > 0


def withdraw_links_of(connection: Connection, person: str) -> int:
    """Make the links useless that set a person's password; return how many there were."""
    return connection.execute(delete(LINKS).where(LINKS.c.person == person)).rowcount
