"""The audit trail as a file."""

from pathlib import Path

from groundtune.errors import UserError
from groundtune.store.annotations import audit
from groundtune.store.annotations.database import Database
from groundtune.store.files import write_atomic
from groundtune.store.json_writing import json_of
from groundtune.store.lock import one_writer


@one_writer(is_file=True)
def write_audit(database: Database, out: Path) -> int:
    """Write the entries as JSON lines, the oldest first; return how many there are.

    They name people by id: `groundtune people list` has the names of those who are still there.

    Raises:
        UserError: the file is there already, or can't be written.
    """
    if out.exists():
        raise UserError("The file is there already.", str(out), "Choose another name.")
    with database.reading() as connection:
        entries = audit.entries(connection, limit=None)
    lines = [json_of(each.model_dump()) + "\n" for each in reversed(entries)]
    write_atomic(out, "".join(lines).encode())
    return len(lines)
