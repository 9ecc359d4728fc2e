"""Accounts with passwords, sessions, links, failed logins, and the audit trail."""

from alembic import op
from sqlalchemy import (
    Column,
    Float,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    String,
    Text,
)

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns and create the tables."""
    op.add_column("people", Column("login", String(200)))
    op.add_column("people", Column("password", String(200)))
    op.add_column("people", Column("closed", Float))
    op.create_index("ix_people_login", "people", ["login"], unique=True)
    op.create_table(
        "sessions",
        Column("id", String(64), nullable=False),
        Column("person", String(64), nullable=False),
        Column("agent", String(200), nullable=False),
        Column("created", Float, nullable=False),
        Column("seen", Float, nullable=False),
        PrimaryKeyConstraint("id", name="pk_sessions"),
        ForeignKeyConstraint(["person"], ["people.id"], name="fk_sessions_person"),
    )
    op.create_index("ix_sessions_person", "sessions", ["person"])
    op.create_table(
        "links",
        Column("id", String(64), nullable=False),
        Column("person", String(64)),
        Column("role", String(16), nullable=False),
        Column("uses", Integer, nullable=False),
        Column("created", Float, nullable=False),
        Column("until", Float, nullable=False),
        PrimaryKeyConstraint("id", name="pk_links"),
        ForeignKeyConstraint(["person"], ["people.id"], name="fk_links_person"),
    )
    op.create_table(
        "failures",
        Column("id", Integer, nullable=False),
        Column("login", String(200), nullable=False),
        Column("address", String(64), nullable=False),
        Column("at", Float, nullable=False),
        PrimaryKeyConstraint("id", name="pk_failures"),
    )
    op.create_index("ix_failures_address", "failures", ["address", "at"])
    op.create_index("ix_failures_login", "failures", ["login", "at"])
    op.create_table(
        "audit",
        Column("id", Integer, nullable=False),
        Column("at", Float, nullable=False),
        Column("by", String(64)),
        Column("action", String(40), nullable=False),
        Column("subject", String(64)),
        Column("details", Text, nullable=False),
        PrimaryKeyConstraint("id", name="pk_audit"),
        ForeignKeyConstraint(["by"], ["people.id"], name="fk_audit_by"),
        ForeignKeyConstraint(["subject"], ["people.id"], name="fk_audit_subject"),
    )
