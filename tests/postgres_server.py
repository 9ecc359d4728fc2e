"""A PostgreSQL server of Debian's packages for one test session, on a socket in a folder."""

import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest

BINARIES = Path("/usr/lib/postgresql")


@contextmanager
def postgres(*, fsync: bool = False) -> Generator[str]:
    """A base URL; `{url}&dbname=postgres` style parameters follow. Skipped where it is missing.

    Without `fsync`, what it wrote may be gone if the machine fails; it is faster.
    """
    found = sorted(BINARIES.glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    folder = Path(mkdtemp(prefix="groundtune-pg-"))
    as_user: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        as_user = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres")
    data = folder / "data"
    programs = found[-1].parent
    options = f"-k {folder} -c listen_addresses= -c fsync={'on' if fsync else 'off'}"
    start = [programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"]
    try:
        run = [programs / "initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8"]
        subprocess.run([*as_user, *run, "--no-sync"], check=True, capture_output=True, cwd="/")
        subprocess.run([*as_user, *start], check=True, stdout=subprocess.DEVNULL, cwd="/")
        yield f"postgresql://tester@/postgres?host={folder}"
    finally:
        stop = [*as_user, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"]
        subprocess.run(stop, check=False, capture_output=True, cwd="/")
        shutil.rmtree(folder, ignore_errors=True)
