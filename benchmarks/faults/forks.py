"""Runs a command line in a fork of this process, which has its libraries loaded already.

A fork costs a few milliseconds where a new interpreter costs seconds, so that hundreds of kills
take minutes. The fork can kill itself before its n-th change of the file system, which hits every
gap between two changes; a kill by the clock hits what is in between.
"""

import contextlib
import importlib
import os
import pkgutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CHANGES = frozenset(
    {
        "os.link",
        "os.mkdir",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.symlink",
        "os.truncate",
        "shutil.rmtree",
    }
)
"""Audit events of Python that change the file system, beside files opened to be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a command ended."""

    status: int
    """Exit status; -9 where it was killed."""
    seconds: float
    changes: int
    """Changes of the file system that it began."""
    text: str
    """What it wrote to stderr."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """When a command is killed, or what it may use: nothing happens by default."""

    before_change: int = 0
    """Kill before this change of the file system, counted from 1."""
    after_seconds: float = 0.0
    """Kill after so many seconds."""
    cpu_seconds: int = 0
    """Kill after so many seconds of processor time."""
    file_bytes: int = 0
    """Writes beyond so many bytes of a file fail as on a full disk."""
    memory_bytes: int = 0
    """Bytes of address space that the command may add to this process's."""


def load_libraries() -> None:
    """Import what the commands use, so that a fork doesn't."""
    import torch

    import groundtune

    for module in pkgutil.walk_packages(groundtune.__path__, "groundtune."):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(ImportError):  # an extra that isn't installed
                importlib.import_module(module.name)
    torch.set_num_threads(1)


def run(words: list[str], folder: Path, fault: Fault | None = None) -> Outcome:
    """Run `groundtune WORDS` in a fork, with its output in `folder`."""
    fault = fault or Fault()
    errors, count = folder / "stderr.txt", folder / "changes.txt"
    folder.mkdir(parents=True, exist_ok=True)
    count.write_text("0", encoding="utf-8")
    sys.stdout.flush()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _be_the_command(words, errors, count, fault)
    status = _wait(child, fault.after_seconds)
    return Outcome(
        status=status,
        seconds=time.monotonic() - began,
        changes=int(count.read_text(encoding="utf-8") or 0),
        text=errors.read_text("utf-8", errors="replace") if errors.exists() else "",
    )


def start(words: list[str], folder: Path) -> int:
    """Start `groundtune WORDS` in a fork, and return its process id."""
    folder.mkdir(parents=True, exist_ok=True)
    child = os.fork()
    if child == 0:
        _be_the_command(words, folder / "stderr.txt", folder / "changes.txt", Fault())
    return child


def call(function: Callable[[], object]) -> None:
    """Call a function in a fork: torch's threads, once started here, would break later forks.

    Raises:
        ChildProcessError: it fails.
    """
    child = os.fork()
    if child == 0:
        try:
            function()
        except BaseException as error:
            traceback.print_exception(error)
            os._exit(1)
        os._exit(0)
    if wait(child):
        raise ChildProcessError(f"{function} fails")


def wait(child: int) -> int:
    """Return the exit status of a fork, or minus the signal that ended it."""
    return _wait(child, 0.0)


def _wait(child: int, after_seconds: float) -> int:
    deadline = time.monotonic() + after_seconds
    while after_seconds:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return _status(status)
        if time.monotonic() >= deadline:
            os.kill(child, signal.SIGKILL)
            break
        time.sleep(0.002)
    return _status(os.waitpid(child, 0)[1])


def _status(status: int) -> int:
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _be_the_command(words: list[str], errors: Path, count: Path, fault: Fault) -> None:
    """Be the command line, and end; never returns."""
    from groundtune.cli.app import run as command_line

    err = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(err, 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    counter = os.open(count, os.O_WRONLY | os.O_CREAT, 0o644)
    changes = 0

    def notice(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal changes
        if event == "open" and not _writes(arguments):
            return
        if event != "open" and event not in CHANGES:
            return
        changes += 1
        os.pwrite(counter, str(changes).encode(), 0)
        if changes == fault.before_change:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(notice)
    if fault.file_bytes:
        _limit_files(fault.file_bytes)
    if fault.cpu_seconds:
        _limit_time(fault.cpu_seconds)
    if fault.memory_bytes:
        _limit_memory(fault.memory_bytes)
    sys.argv = ["groundtune", *words]
    try:
        status = command_line(words)
    except BaseException as error:
        traceback.print_exception(error)
        status = error.code if isinstance(error, SystemExit) else 70
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 1)


def _writes(arguments: tuple[object, ...]) -> bool:
    """Whether an audited `open` may change a file."""
    mode, flags = arguments[1], arguments[2]
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))


def _limit_files(size: int) -> None:
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails instead, as on a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _limit_time(more: int) -> None:
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + more
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


def _limit_memory(more: int) -> None:
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    size = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
