"""Images of a project on a database server: kept in the database, and copied here when needed."""

from pathlib import Path

from sqlalchemy import Connection, insert, select

from groundtune.store.annotations.database import Database
from groundtune.store.annotations.tables import FILES
from groundtune.store.files import write_atomic
from groundtune.store.images import ImageStore


class SharedImages(ImageStore):
    """An image store in a local folder that gets what it lacks from the database."""

    def __init__(self, path: Path, database: Database) -> None:
        super().__init__(path)
        self._database = database

    def path(self, sha256: str) -> Path:
        """Path of the image's file, after getting it; it doesn't exist if nobody has the image."""
        path = super().path(sha256)
        if not path.is_file():
            with self._database.reading() as connection:
                data = read_file(connection, _name(sha256))
            if data is not None:
                write_atomic(path, data, durable=False)
        return path

    def share(self, sha256: str) -> None:
        """Put an image of the local folder into the database, unless it is there."""
        with self._database.writing() as connection:
            if read_file(connection, _name(sha256)) is None:
                write_file(connection, _name(sha256), super().path(sha256).read_bytes())


def read_file(connection: Connection, name: str) -> bytes | None:
    """A file of the database; None if there is none of this name."""
    return connection.execute(select(FILES.c.data).where(FILES.c.name == name)).scalar()


def write_file(connection: Connection, name: str, data: bytes) -> None:
    """Put a file into the database, in place of one of this name."""
    connection.execute(FILES.delete().where(FILES.c.name == name))
    connection.execute(insert(FILES), [{"name": name, "data": data}])


def _name(sha256: str) -> str:
    return f"images/{sha256}"
