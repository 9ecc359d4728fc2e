"""The tables, as of the newest migration; a test compares them with what the migrations make."""

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ITEMS = Table(
    "items",
    METADATA,
    Column("place", Integer, primary_key=True),
    Column("key", String(64), nullable=False, unique=True),
    Column("task", String(16), nullable=False),
    Column("content", Text, nullable=False),  # an Item as JSON
    Column("search", Text, nullable=False),  # its texts in small letters
    Column("priority", Float, nullable=False, server_default="0"),  # higher is asked earlier
    Column("free", Integer, nullable=False),  # how many more people may take it
    Column("wanted", Integer, nullable=False, server_default="1"),  # people who are to judge it
    Column("gold", Integer, nullable=False, server_default="0"),  # 1 where the result is known
    Column("size", Float, nullable=False, server_default="1"),  # priority = size / uniform draw
    Index(
        "ix_items_next",
        "task",
        "gold",
        text("priority DESC"),
        "place",
        sqlite_where=text("free > 0"),
        postgresql_where=text("free > 0"),
    ),
)

PEOPLE = Table(
    "people",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("role", String(16), nullable=False),  # annotator, reviewer or owner
    Column("created", Float, nullable=False),
    Column("login", String(200)),  # the name in small letters; None without a password
    Column("password", String(200)),  # its argon2 hash
    Column("closed", Float),  # since when the account is closed
    Index("ix_people_login", "login", unique=True),
)

EVENTS = Table(
    "events",
    METADATA,
    Column("seq", Integer, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),  # the client's
    Column("item", String(64), ForeignKey("items.key"), nullable=False),
    Column("person", String(64), ForeignKey("people.id"), nullable=False),
    Column("body", Text, nullable=False),  # an Event's body as JSON
    Column("at", Float, nullable=False),  # the client's clock
    Column("received", Float, nullable=False),  # the server's clock
    Column("active_s", Float, nullable=False),
    Index("ix_events_item_person", "item", "person", "seq"),
)

ASSIGNMENTS = Table(
    "assignments",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("item", String(64), ForeignKey("items.key"), nullable=False),
    Column("person", String(64), ForeignKey("people.id"), nullable=False),
    Column("state", String(8), nullable=False),  # held, done or skipped
    Column("until", Float, nullable=False),  # end of the lease of one that is held
    UniqueConstraint("item", "person", name="uq_assignments_item_person"),
    Index("ix_assignments_person", "person", "state"),
    Index("ix_assignments_state", "state", "until"),
)

CONFLICTS = Table(
    "conflicts",
    METADATA,
    Column("item", String(64), ForeignKey("items.key"), primary_key=True),
    Column("likeness", Float, nullable=False),  # 0 to 1: how alike the results are
    Column("settled", Integer, nullable=False, server_default="0"),  # 1 once a reviewer decided
    Column("reviewer", String(64), ForeignKey("people.id")),  # who holds it or has settled it
    Column("until", Float, nullable=False, server_default="0"),  # end of the reviewer's lease
    Index("ix_conflicts_settled", "settled", "likeness"),
)
"""Items on which people differ, for reviewers."""

SAME_CLAIMS = Table(
    "same_claims",
    METADATA,
    Column("key", String(64), primary_key=True),  # a place and both texts
    Column("by", String(64), nullable=False),  # who judged: a ReplacementCheck's
    Column("same", Integer),  # 1 or 0; None where it can't be judged
)
"""Different replacements of two people, and whether they claim the same."""

SETTINGS = Table(
    "settings",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),  # JSON
)

FILES = Table(
    "files",
    METADATA,
    Column("name", String(80), primary_key=True),  # images/SHA256, or guidelines.md
    Column("data", LargeBinary, nullable=False),
)
"""Of projects on a database server, which have no folder."""

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("id", String(64), primary_key=True),  # sha256 of the cookie's token
    Column("person", String(64), ForeignKey("people.id"), nullable=False),
    Column("agent", String(200), nullable=False),  # the browser's name
    Column("created", Float, nullable=False),
    Column("seen", Float, nullable=False),
    Index("ix_sessions_person", "person"),
)

LINKS = Table(
    "links",
    METADATA,
    Column("id", String(64), primary_key=True),  # sha256 of the link's token
    Column("person", String(64), ForeignKey("people.id")),  # whose password it sets; None invites
    Column("role", String(16), nullable=False),
    Column("uses", Integer, nullable=False),  # how many people may still use it
    Column("created", Float, nullable=False),
    Column("until", Float, nullable=False),
)

FAILURES = Table(
    "failures",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("login", String(200), nullable=False),  # "" for one that nobody has
    Column("address", String(64), nullable=False),
    Column("at", Float, nullable=False),
    Index("ix_failures_address", "address", "at"),
    Index("ix_failures_login", "login", "at"),
)
"""Logins that failed, kept for a day."""

AUDIT = Table(
    "audit",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("by", String(64), ForeignKey("people.id")),  # None for the command line
    Column("action", String(40), nullable=False),
    Column("subject", String(64), ForeignKey("people.id")),
    Column("details", Text, nullable=False),  # JSON; never a person's name
)

PASSING = (FILES, SESSIONS, LINKS, FAILURES)
"""What a copy of a project doesn't take: files travel apart, and nobody stays logged in."""
