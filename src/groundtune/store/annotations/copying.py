"""A whole annotation database as another one: SQLite or PostgreSQL, in either direction."""

from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, text

from groundtune.store.annotations.database import Database
from groundtune.store.annotations.tables import EVENTS, METADATA, PASSING

_AT_ONCE = 1000


def copy_database(source: Database, target: Database) -> int:
    """Copy every row into an empty database of the same version; return the number of events.

    All but files, which travel apart, and sessions, links and failed logins.

    What is written to the source meanwhile is left out whole: all is read as it was at one moment.

    Raises:
        UserError: either database is locked or gone; then the target stays empty.
        ValueError: the target isn't empty.
    """
    with source.snapshot() as reader, target.writing() as writer:
        for table in _tables():
            if writer.execute(select(func.count()).select_from(table)).scalar_one():
                raise ValueError(f"the table {table.name} of {target.where} isn't empty")
            result = reader.execute(select(table)).mappings()
            while rows := [dict(row) for row in result.fetchmany(_AT_ONCE)]:
                writer.execute(insert(table), rows)
        if target.dialect == "postgresql":
            _continue_numbers(writer)
        return writer.execute(select(func.count()).select_from(EVENTS)).scalar_one()


def _tables() -> list[Table]:
    return [table for table in METADATA.sorted_tables if table not in PASSING]


def _continue_numbers(connection: Connection) -> None:
    """PostgreSQL doesn't count on from numbers that were given."""
    for table in _tables():
        column: Any = next(iter(table.primary_key.columns))
        if not isinstance(column.type.python_type, type) or column.type.python_type is not int:
            continue
        newest = f"(SELECT coalesce(max({column.name}), 0) + 1 FROM {table.name})"
        sequence = f"pg_get_serial_sequence('{table.name}', '{column.name}')"
        connection.execute(text(f"SELECT setval({sequence}, {newest}, false)"))
