"""Which replacements of two people claim the same."""

from alembic import op
from sqlalchemy import Column, Integer, PrimaryKeyConstraint, String

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "same_claims",
        Column("key", String(64), nullable=False),
        Column("by", String(64), nullable=False),
        Column("same", Integer),
        PrimaryKeyConstraint("key", name="pk_same_claims"),
    )
