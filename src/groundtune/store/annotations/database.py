"""Opening the annotation database: SQLite with a write-ahead log, or PostgreSQL; both migrated.

SQLite's write transactions begin with BEGIN IMMEDIATE: one that begins as a reader and then writes
may lose its turn, or give two people one item.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from groundtune.errors import UserError

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_S = 5
"""How long a writer waits for another one."""
_ONE_MOMENT = "REPEATABLE READ"
_CONNECTIONS = 16
"""They stay open; requests beyond wait for one."""
_TRUSTED_S = 1
"""A connection to a server that was used so recently isn't asked whether it is still there."""


class Database:
    """A migrated annotation database; one per process, used by many threads."""

    def __init__(self, engine: Engine, where: str, file: Path | None = None) -> None:
        self._engine = engine
        self._file = file
        self._identity = None if file is None else _identity(file)
        self._writing = engine.execution_options(begin="BEGIN IMMEDIATE")
        alone = {"begin": ""} if file else {"isolation_level": "AUTOCOMMIT"}
        self._alone = engine.execution_options(**alone)
        self._frozen = engine if file else engine.execution_options(isolation_level=_ONE_MOMENT)
        self._turn = Lock()
        self.where = where
        """How errors name it, without a password."""

    @property
    def dialect(self) -> str:
        """Either "sqlite" or "postgresql"."""
        return self._engine.dialect.name

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """A transaction that only reads. Raises UserError if the database is locked or gone."""
        self._refuse_another()
        with self._plain_errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Generator[Connection]:
        """A transaction whose every query sees one moment of the database; else as `reading`.

        SQLite's transactions are so; PostgreSQL's usual ones see what was written since.
        """
        self._refuse_another()
        with self._plain_errors(), self._frozen.begin() as connection:
            yield connection

    @contextmanager
    def one_query(self) -> Generator[Connection]:
        """A connection for a single query, without a transaction around it, as `reading` else.

        Every request asks who makes it: a transaction would be two more messages to PostgreSQL.
        """
        self._refuse_another()
        with self._plain_errors(), self._alone.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Generator[Connection]:
        """A transaction that writes: all of it or nothing. Raises UserError as `reading`."""
        self._refuse_another()
        with self._in_turn(), self._plain_errors(), self._writing.begin() as connection:
            yield connection

    def empty_log(self) -> bool:
        """Move SQLite's write-ahead log, which has what was there before, into the file.

        Return whether nothing is left in it: others may be reading from it just now.
        """
        if self._file is None:
            return True
        with self._engine.connect() as connection:
            raw = connection.connection.dbapi_connection
            return (
                raw is not None and not raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            )

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _refuse_another(self) -> None:
        """SQLite would go on writing to a file that was deleted, and all of it be lost."""
        if self._file is not None and _identity(self._file) != self._identity:
            raise UserError(
                "The annotation database is gone: its file was deleted, moved or replaced.",
                self.where,
                "Put the file back, or stop the app and start it again; what isn't saved is kept "
                "in the browser.",
            )

    @contextmanager
    def _in_turn(self) -> Generator[None]:
        """SQLite's writers sleep ever longer between their tries: here each is woken by the last.

        Writers in other processes still wait as SQLite does.
        """
        if self._file is None:
            yield
            return
        if not self._turn.acquire(timeout=_BUSY_S):
            raise _locked(self.where)
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def _plain_errors(self) -> Generator[None]:
        try:
            yield
        except DatabaseError as error:
            # subclasses such as IntegrityError are about a statement, not about the database
            if type(error) not in (DatabaseError, OperationalError):
                raise
            raise unavailable(error, self.where) from error


def open_database(target: Path | str) -> Database:
    """Open the database in a file or at a PostgreSQL URL, and migrate it to this version.

    Raises:
        UserError: it can't be opened, is no annotation database, or is of a newer version.
    """
    url = f"sqlite:///{target}" if isinstance(target, Path) else _with_driver(target)
    engine = _engine(url)
    where = str(target) if isinstance(target, Path) else engine.url.render_as_string()
    try:
        with engine.connect() as connection:
            _migrate(connection, where)
            connection.commit()
    except DBAPIError as error:
        engine.dispose()
        raise unavailable(error, where) from error
    except UserError:
        engine.dispose()
        raise
    return Database(engine, where, target if isinstance(target, Path) else None)


def upgrade(connection: Connection, version: str = "head") -> None:
    """Run the migrations up to a version."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, version)


def unavailable(error: DBAPIError, where: str) -> UserError:
    """Return the error for a database that can't be used, in plain words."""
    reason = str(error.orig)
    if "locked" in reason:
        return _locked(where)
    if "not a database" in reason or "malformed" in reason:
        return UserError(
            "The file is not an annotation database, or it is damaged.",
            where,
            "Restore it from a backup, or choose another project.",
        )
    return UserError(
        f"The annotation database can't be used: {reason.splitlines()[0]}.",
        where,
        "Check that the folder or the server exists and that you may write there.",
    )


def _locked(where: str) -> UserError:
    return UserError(
        "Another program has locked the annotation database.",
        where,
        "Close the other program and try again; what was saved before is safe.",
    )


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _with_driver(url: str) -> str:
    """PostgreSQL's own URLs name no driver; ours is psycopg 3."""
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in ("postgresql", "postgres") else url


def _engine(url: str) -> Engine:
    try:
        engine = create_engine(url, pool_size=_CONNECTIONS, max_overflow=0)
    except ModuleNotFoundError as error:
        raise UserError(
            f"The database needs the package {error.name}, which is not installed.",
            url.partition("@")[2] or url,
            "Install the extra: pip install 'groundtune[postgres]'.",
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        _ask_idle_connections(engine)
    return engine


def _ask_idle_connections(engine: Engine) -> None:
    """Replace connections that the server has closed while nobody used them."""

    def note(_: object, record: ConnectionPoolEntry) -> None:
        record.info["used"] = time.monotonic()

    def ask(raw: Any, record: ConnectionPoolEntry, _: object) -> None:
        if time.monotonic() - record.info.get("used", time.monotonic()) < _TRUSTED_S:
            return
        try:
            engine.dialect.do_ping(raw)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error  # the pool opens another one

    event.listen(engine, "checkin", note)
    event.listen(engine, "checkout", ask)


def _prepare_sqlite(connection: Any, _: object) -> None:
    # sqlite3 must not begin transactions by itself: `_begin_sqlite` does.
    connection.isolation_level = None
    pragmas = (f"busy_timeout={_BUSY_S * 1000}", "journal_mode=WAL", "foreign_keys=ON")
    for pragma in (*pragmas, "secure_delete=ON"):  # what is deleted can't be read from the file
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    begin = connection.get_execution_options().get("begin", "BEGIN")
    if begin:
        connection.exec_driver_sql(begin)


def _migrate(connection: Connection, where: str) -> None:
    script = ScriptDirectory(str(_MIGRATIONS))
    current = MigrationContext.configure(connection).get_current_revision()
    if current == script.get_current_head():
        return
    try:
        if current is not None:
            script.get_revision(current)
    except CommandError as error:
        raise UserError(
            f"The project was made by a newer version of Groundtune (database version {current}).",
            where,
            "Install that version: pip install --upgrade groundtune.",
        ) from error
    upgrade(connection)
