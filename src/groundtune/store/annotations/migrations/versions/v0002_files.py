"""Files of projects that have no folder: images and guidelines next to the other rows."""

from alembic import op
from sqlalchemy import Column, LargeBinary, PrimaryKeyConstraint, String

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "files",
        Column("name", String(80), nullable=False),
        Column("data", LargeBinary, nullable=False),
        PrimaryKeyConstraint("name", name="pk_files"),
    )
