"""A PostgreSQL server of Debian's packages for one test session."""

from collections.abc import Generator
from contextlib import contextmanager

import pytest
from benchmarks.annotate.cluster import cluster, programs


@contextmanager
def postgres() -> Generator[str]:
    """A base URL; `{url}&dbname=postgres` style parameters follow. Skipped where it is missing."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with cluster() as found:
        yield found.url
