"""An index in the order in which items are taken: the next one is found without sorting all."""

from alembic import op
from sqlalchemy import text

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Replace the index that lacked the place."""
    op.drop_index("ix_items_next", "items")
    op.create_index(
        "ix_items_next",
        "items",
        ["task", "gold", text("priority DESC"), "place"],
        sqlite_where=text("free > 0"),
        postgresql_where=text("free > 0"),
    )
