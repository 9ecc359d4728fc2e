"""Another process that holds folders and files, one after the other."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

Kind = Literal["folder", "whole", "file"]
_HOLDER = """
import sys
from pathlib import Path
from groundtune.store.lock import hold
while words := sys.stdin.readline():
    kind, _, path = words.rstrip().partition(" ")
    with hold(Path(path), is_file=kind == "file", whole=kind == "whole"):
        print("held", flush=True)
        sys.stdin.readline()
    print("released", flush=True)
"""


def start_process(*words: str) -> subprocess.Popen[str]:
    """Start a process that holds nothing yet; end it with `end_holder`. Its command ends so."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", _HOLDER, *words]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=env)


@contextmanager
def held(process: subprocess.Popen[str], path: Path, kind: Kind = "folder") -> Generator[None]:
    """Let a process hold the path during the block."""
    _ask(process, f"{kind} {path}", "held")
    try:
        yield
    finally:
        _ask(process, "", "released")


def start_holder(path: Path, kind: Kind = "folder") -> subprocess.Popen[str]:
    """Start a process that holds the path until `end_holder`; return when it does."""
    process = start_process(str(path))
    _ask(process, f"{kind} {path}", "held")
    return process


def end_holder(process: subprocess.Popen[str]) -> None:
    """End it in order."""
    process.communicate("")


def _ask(process: subprocess.Popen[str], line: str, answer: str) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    assert process.stdout.readline() == f"{answer}\n"
