"""The audit trail: who did what to whom. Entries hold ids, never names, and are only added."""

import json
import time
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select

from groundtune.records import Record
from groundtune.store.annotations.tables import AUDIT
from groundtune.store.json_writing import json_of


class AuditEntry(Record):
    """One entry."""

    id: int
    at: float
    """Seconds since 1970."""
    by: str | None
    """The id of who did it; None for the command line."""
    action: str
    subject: str | None
    """The id of whom it was done to."""
    details: dict[str, Any]


def note(
    connection: Connection, by: str | None, action: str, subject: str | None = None, **details: Any
) -> None:
    """Add an entry. `details` are numbers and words of ours, never what a person typed."""
    row = {"at": time.time(), "by": by, "action": action, "subject": subject}
    connection.execute(insert(AUDIT), [row | {"details": json_of(details)}])


def entries(
    connection: Connection, *, before: int = 0, limit: int | None = 100
) -> list[AuditEntry]:
    """The newest entries, or those before one; all with `limit=None`."""
    query = select(AUDIT).order_by(AUDIT.c.id.desc()).limit(limit)
    if before:
        query = query.where(AUDIT.c.id < before)
    return [_entry(row) for row in connection.execute(query).mappings()]


def _entry(row: RowMapping) -> AuditEntry:
    return AuditEntry(**{**row, "details": json.loads(row["details"])})
