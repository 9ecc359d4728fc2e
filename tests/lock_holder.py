"""Another process that holds a folder or a file."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

_HOLDER = """
import sys
from pathlib import Path
from groundtune.store.lock import hold
with hold(Path(sys.argv[1]), is_file=sys.argv[2] == "file", whole=sys.argv[2] == "whole"):
    print("held", flush=True)
    sys.stdin.read()
"""


def start_holder(
    path: Path, kind: Literal["folder", "whole", "file"] = "folder"
) -> subprocess.Popen[str]:
    """Start a process that holds the path until `end_holder`; return when it does."""
    command = [sys.executable, "-c", _HOLDER, str(path), kind]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=env)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end_holder(process: subprocess.Popen[str]) -> None:
    """End it in order."""
    process.communicate("")
