"""A PostgreSQL server of Debian's packages, on a socket in a folder."""

import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

BINARIES = Path("/usr/lib/postgresql")


class Cluster(NamedTuple):
    """A running server."""

    url: str
    """`{url}&dbname=postgres` style parameters may follow."""
    pid: int


def programs() -> Path | None:
    """The folder of the newest server's programs; None where none is installed."""
    found = sorted(BINARIES.glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def cluster(*, fsync: bool = False) -> Generator[Cluster]:
    """Make a server and end it; without `fsync` it is faster, and a crash of the machine loses.

    Raises:
        FileNotFoundError: PostgreSQL is not installed.
    """
    binaries = programs()
    if binaries is None:
        raise FileNotFoundError("PostgreSQL is not installed: apt-get install postgresql")
    folder = Path(mkdtemp(prefix="groundtune-pg-"))
    as_user: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        as_user = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres")
    data = folder / "data"
    options = f"-k {folder} -c listen_addresses= -c fsync={'on' if fsync else 'off'}"
    start = [binaries / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"]
    try:
        run = [binaries / "initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8"]
        subprocess.run([*as_user, *run, "--no-sync"], check=True, capture_output=True, cwd="/")
        subprocess.run([*as_user, *start], check=True, stdout=subprocess.DEVNULL, cwd="/")
        pid = int((data / "postmaster.pid").read_text("utf-8").split()[0])
        yield Cluster(f"postgresql://tester@/postgres?host={folder}", pid)
    finally:
        stop = [*as_user, binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop"]
        subprocess.run(stop, check=False, capture_output=True, cwd="/")
        shutil.rmtree(folder, ignore_errors=True)
