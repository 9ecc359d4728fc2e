"""Items, people, events, assignments and settings."""

from alembic import op
from sqlalchemy import (
    Column,
    Float,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
)

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "items",
        Column("place", Integer, nullable=False),
        Column("key", String(64), nullable=False),
        Column("task", String(16), nullable=False),
        Column("content", Text, nullable=False),
        Column("search", Text, nullable=False),
        Column("priority", Float, nullable=False, server_default="0"),
        Column("free", Integer, nullable=False),
        PrimaryKeyConstraint("place", name="pk_items"),
        UniqueConstraint("key", name="uq_items_key"),
    )
    op.create_index("ix_items_next", "items", ["task", "free", "priority", "place"])
    op.create_table(
        "people",
        Column("id", String(64), nullable=False),
        Column("name", String(200), nullable=False),
        Column("role", String(16), nullable=False),
        Column("created", Float, nullable=False),
        PrimaryKeyConstraint("id", name="pk_people"),
    )
    op.create_table(
        "events",
        Column("seq", Integer, nullable=False),
        Column("id", String(64), nullable=False),
        Column("item", String(64), nullable=False),
        Column("person", String(64), nullable=False),
        Column("body", Text, nullable=False),
        Column("at", Float, nullable=False),
        Column("received", Float, nullable=False),
        Column("active_s", Float, nullable=False),
        PrimaryKeyConstraint("seq", name="pk_events"),
        UniqueConstraint("id", name="uq_events_id"),
        ForeignKeyConstraint(["item"], ["items.key"], name="fk_events_item"),
        ForeignKeyConstraint(["person"], ["people.id"], name="fk_events_person"),
    )
    op.create_index("ix_events_item_person", "events", ["item", "person", "seq"])
    op.create_table(
        "assignments",
        Column("id", Integer, nullable=False),
        Column("item", String(64), nullable=False),
        Column("person", String(64), nullable=False),
        Column("state", String(8), nullable=False),
        Column("until", Float, nullable=False),
        PrimaryKeyConstraint("id", name="pk_assignments"),
        UniqueConstraint("item", "person", name="uq_assignments_item_person"),
        ForeignKeyConstraint(["item"], ["items.key"], name="fk_assignments_item"),
        ForeignKeyConstraint(["person"], ["people.id"], name="fk_assignments_person"),
    )
    op.create_index("ix_assignments_person", "assignments", ["person", "state"])
    op.create_index("ix_assignments_state", "assignments", ["state", "until"])
    op.create_table(
        "settings",
        Column("name", String(64), nullable=False),
        Column("value", Text, nullable=False),
        PrimaryKeyConstraint("name", name="pk_settings"),
    )
