"""An empty annotation database of each kind."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from groundtune.store.annotations.database import Database, open_database
from postgres_server import postgres


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        database = open_database(tmp_path / "annotations.sqlite")
        yield database
        database.close()
        return
    url = request.getfixturevalue("server")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE leases")
    database = open_database(url.replace("/postgres?", "/leases?"))
    yield database
    database.close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP DATABASE leases WITH (FORCE)")
