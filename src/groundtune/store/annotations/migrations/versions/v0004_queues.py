"""How many people are wanted, known results, the order of asking, and conflicts."""

import json

from alembic import op
from sqlalchemy import (
    Column,
    Float,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    String,
    text,
)

from groundtune.store.json_writing import json_of

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns, give items that had one priority the order in which they were added."""
    op.add_column("items", Column("wanted", Integer, nullable=False, server_default="1"))
    op.add_column("items", Column("gold", Integer, nullable=False, server_default="0"))
    op.add_column("items", Column("size", Float, nullable=False, server_default="1"))
    assignments = "SELECT count(*) FROM assignments WHERE item = items.key AND state != 'skipped'"
    op.execute(text(f"UPDATE items SET wanted = free + ({assignments})"))
    op.execute(text("UPDATE items SET priority = -place WHERE priority = 0"))
    _drop_unused_fields()
    op.drop_index("ix_items_next", "items")
    some_left = text("free > 0")
    op.create_index(
        "ix_items_next",
        "items",
        ["task", "gold", "priority"],
        sqlite_where=some_left,
        postgresql_where=some_left,
    )
    op.create_table(
        "conflicts",
        Column("item", String(64), nullable=False),
        Column("likeness", Float, nullable=False),
        Column("settled", Integer, nullable=False, server_default="0"),
        Column("reviewer", String(64)),
        Column("until", Float, nullable=False, server_default="0"),
        PrimaryKeyConstraint("item", name="pk_conflicts"),
        ForeignKeyConstraint(["item"], ["items.key"], name="fk_conflicts_item"),
        ForeignKeyConstraint(["reviewer"], ["people.id"], name="fk_conflicts_reviewer"),
    )
    op.create_index("ix_conflicts_settled", "conflicts", ["settled", "likeness"])


def _drop_unused_fields() -> None:
    """Items had a weight and whether they are gold, and nothing set either."""
    connection = op.get_bind()
    change = text("UPDATE items SET content = :content WHERE place = :place")
    for place, content in connection.execute(text("SELECT place, content FROM items")).all():
        item = json.loads(content)
        item.pop("weight", None)
        item.pop("gold", None)
        new_content = json_of(item)
        connection.execute(change, {"content": new_content, "place": place})
