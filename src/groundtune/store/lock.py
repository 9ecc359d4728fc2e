"""One writer per folder: a lock that ends with its process, and a file that names its holder.

    DIR/.lock          locked by the operating system; kill -9 and a crash release it too
    DIR/.holder.json   the holder: process, machine, command, start time

For a file NAME they are .NAME.lock and .NAME.holder.json next to it. Both are removed at the end;
those of a killed process are harmless, as only the system's lock counts.

The lock works between machines if the mount's locks do (NFS 4, Lustre with flock). A mount whose
locks are local to each machine can't be detected; one without locks causes a warning.
"""

import inspect
import logging
import os
import shlex
import socket
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial, wraps
from pathlib import Path
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar

from pydantic import ValidationError

from groundtune.errors import UserError
from groundtune.records import Record
from groundtune.store.files import disk_error, sweep, sweep_all, write_atomic
from groundtune.store.json_writing import json_of

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

PATIENCE_S = 0.5
"""Seconds to wait for a lock: a holder that is about to end is not reported."""


class Holder(Record):
    """The process that holds a folder."""

    pid: int
    host: str
    command: str
    since: str
    """UTC, ISO 8601, to the second."""
    whole: bool = False
    """Whether it holds every folder below, too."""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}: {self.command}"


_NOTHING: Mapping[Path, bool] = MappingProxyType({})
_own_locks: ContextVar[Mapping[Path, bool]] = ContextVar("held here", default=_NOTHING)
"""Resolved paths, each with whether everything below is held, too."""


@contextmanager
def hold(
    path: Path,
    *,
    is_file: bool = False,
    whole: bool = False,
    option: str = "--out",
    wait: bool = False,
) -> Generator[None]:
    """Hold a folder, or a file, as its only writer, and remove killed writers' leftovers there.

    A stage inside another one that holds the same path continues at once; another thread or process
    is refused. With `whole`, every folder below is held too: for a run whose steps write there.

    Args:
        path: What is held.
        is_file: Whether it is a file.
        whole: Hold every folder below too: of a run whose steps write there.
        option: Names another folder, for the error.
        wait: Wait until the holder ends, instead of refusing: for a cache that runs share.

    Raises:
        UserError: another process holds it, which the error names; or the folder can't be written.
    """
    resolved = Path(os.path.realpath(path))  # path.resolve() raises for links in a circle
    own_locks = _own_locks.get()
    if resolved in own_locks or any(own_locks.get(parent) for parent in resolved.parents):
        yield
        return
    new_folders = _make_folder(resolved.parent if is_file else resolved, path)
    prefix = f".{resolved.name}" if is_file else ""
    folder = resolved.parent if is_file else resolved
    try:
        for parent in resolved.parents:
            _refuse_held_whole(parent, path, option)
        note = folder / f"{prefix}.holder.json"
        refuse = _log_and_wait if wait else partial(_refuse, option=option)
        with _locked(folder / f"{prefix}.lock", note, path, whole, refuse):
            sweep(folder) if is_file else sweep_all(folder)
            token = _own_locks.set({**own_locks, resolved: whole})
            try:
                yield
            finally:
                _own_locks.reset(token)
    finally:
        for new_folder in new_folders:  # a command without output leaves no folder behind
            with suppress(OSError):
                new_folder.rmdir()


def one_writer(
    name: str = "out",
    *,
    is_file: bool = False,
    when: Callable[[], bool] = lambda: True,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function hold the path in its argument `name` while it runs; None holds nothing.

    Nothing is held if `when()` is False: of the processes of one training, only the first holds.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        assert name in signature.parameters, f"{function.__qualname__} has no argument {name}"

        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            path: Any = signature.bind(*args, **kwargs).arguments.get(name)
            with ExitStack() as stack:
                if path is not None and when():
                    stack.enter_context(hold(Path(path), is_file=is_file))
                return function(*args, **kwargs)

        return run

    return decorate


def held_here() -> Mapping[Path, bool]:
    """Return the paths that this call holds, for `hold_with_parent` in its workers."""
    return _own_locks.get()


def hold_with_parent(locks: Mapping[Path, bool]) -> None:
    """In a worker process: treat the parent's held paths as held."""
    _own_locks.set(locks)


@contextmanager
def _locked(
    lock_file: Path,
    note: Path,
    target: Path,
    whole: bool,
    refuse: Callable[[Path, Holder | None], None],
) -> Generator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(
        lock_file,
        timeout=PATIENCE_S,
        poll_interval=0.02,
        thread_local=False,
        fallback_to_soft=False,
    )
    try:
        try:
            lock.acquire()
        except Timeout:
            refuse(target, _read_holder(note))
            lock.acquire(timeout=-1)
    except OSError as error:
        if isinstance(error, PermissionError):
            raise disk_error(error, target) from error
        log.warning(
            "%s: this disk has no file locks (%s), so a second command that writes here "
            "would not be noticed",
            target,
            error.strerror or error,
        )
    try:
        _warn_of_another_machine(note, target)
        write_atomic(note, json_of(_me(whole)).encode() + b"\n", durable=False)
        yield
    finally:
        # Removed while locked: a process that opened it meanwhile sees that its name is gone.
        for file in (note, lock_file):
            with suppress(OSError):
                file.unlink(missing_ok=True)
        lock.release()


def _refuse_held_whole(folder: Path, target: Path, option: str) -> None:
    """Raise a UserError if another process holds the folder and everything below it."""
    note = folder / ".holder.json"
    if not note.exists():
        return
    holder = _read_holder(note)
    if holder is not None and holder.whole and _is_locked(folder / ".lock"):
        _refuse(target, holder, option)


def _is_locked(lock_file: Path) -> bool:
    from filelock import FileLock, Timeout

    if not lock_file.exists():
        return False
    try:
        with FileLock(lock_file, timeout=0, thread_local=False, fallback_to_soft=False):
            return False
    except Timeout:
        return True
    except OSError:
        return False  # no permission to open it, or a disk without locks


def _refuse(path: Path, holder: Holder | None, option: str) -> None:
    raise UserError(
        f"Another command writes to this folder: {_who(holder)}.",
        str(path),
        f"Wait until it ends, or choose another folder with {option} DIR.",
    )


def _log_and_wait(path: Path, holder: Holder | None) -> None:
    log.warning("%s: waits until another command has written there: %s", path, _who(holder))


def _who(holder: Holder | None) -> str:
    return f"{holder}" if holder else "an unknown process"


def _read_holder(note: Path) -> Holder | None:
    try:
        return Holder.model_validate_json(note.read_bytes())
    except (OSError, ValidationError):
        return None


def _me(whole: bool) -> Holder:
    return Holder(
        pid=os.getpid(),
        host=socket.gethostname(),
        command=shlex.join([Path(sys.argv[0]).name or "python", *sys.argv[1:]]),
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        whole=whole,
    )


def _warn_of_another_machine(note: Path, target: Path) -> None:
    """Warn of a holder on another machine: it was killed, or this mount's locks are local."""
    earlier = _read_holder(note)
    if earlier is not None and earlier.host != socket.gethostname():
        log.warning(
            "%s: locked before by %s; if that still runs, this mount's locks don't work "
            "between machines: stop one of the two",
            target,
            earlier,
        )


def _make_folder(folder: Path, target: Path) -> list[Path]:
    """Create the folder and its parents; return the new ones, the lowest first."""
    new_folders = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, target) from error
    return new_folders
