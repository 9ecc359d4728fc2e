"""Runs the jobs of a larger run: each once, in the order of what they need, on all cores.

A job is a function of a folder and settings. When it is done, a file in steps/ says so, under a key
of its settings and of what it needs: the same run again skips it, a stopped run resumes
with the jobs that are missing, and each of those resumes inside itself.

With one worker all happens in this process. With more, each worker is a process of its own, with
one thread for arithmetic: that is faster for small models than one process with many threads. A
worker ends when this process does, however it ends.
"""

import logging
import os
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from groundtune.errors import UserError
from groundtune.protocols import Progress
from groundtune.recipe_loading import Settings
from groundtune.records import Record
from groundtune.store.files import write_atomic
from groundtune.store.keys import key_of
from groundtune.store.lock import held_here, hold_with_parent
from groundtune.store.sealed import read_sealed, write_sealed

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from multiprocessing.queues import Queue

log = logging.getLogger(__name__)

POLL_S = 0.2
"""How often this process looks at what its workers have done."""

Work = Callable[[Path, Any, Progress], None]
Failed = dict[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One step of a run."""

    name: str
    """Unique in the run, and a file's name."""
    title: str
    """What progress calls it."""
    work: Work
    """A function at the top of a module; it takes the run's folder, `settings` and progress."""
    settings: Settings
    needs: tuple[str, ...] = ()
    """Names of the jobs that must be done before."""
    inputs: tuple[str, ...] = ()
    """Hashes of further inputs: a job with others is not done."""
    cost: float = 1.0
    """About how long it takes, in any unit: only progress uses it."""
    tasks: Mapping[str, float] = field(default_factory=dict[str, float])
    """Share of each task in that, by the first word of its name; a task without one counts 0."""


class JobResult(Record):
    """The time and memory of a job that is done."""

    key: str
    seconds: float
    """Wall time, over all the tries that it took."""
    peak_mb: float
    """Most memory (resident, in MB) that its process has had by its end."""
    process: int = 0
    """The process's number: jobs of one process share its memory."""


class JobEvent(NamedTuple):
    """Progress of a worker's job."""

    job: str
    kind: Literal["begin", "start", "advance"]
    task: str = ""
    total: int | None = None
    units: int = 0
    note: str = ""


def run_jobs(
    folder: Path,
    jobs: Sequence[Job],
    progress: Progress,
    *,
    workers: int = 0,
    title: str = "run",
    failed: Failed = None,
) -> dict[str, JobResult]:
    """Does the jobs that aren't done yet, at most `workers` at once (0: one a core).

    A job that fails ends the run; or it and those that need it are noted in `failed`, each with
    the reason, and are tried again when the run is.

    Raises:
        UserError: what a job raised; jobs that are under way then stop where they are.
    """
    keys, results = _keys(jobs), done_jobs(folder, jobs)
    remaining = [job for job in jobs if job.name not in results]
    workers = min(workers or cores(), max(1, len(remaining)))
    board = _Board(progress, jobs, list(results), title)
    if workers == 1:
        for job in _ordered(remaining, set(results), failed):
            with _noted(job.name, failed):
                _do(folder, job, keys[job.name], _Relay(job.name, board.take))
            board.finish(job.name)
    elif remaining:
        _in_processes(folder, remaining, keys, set(results), board, workers, failed)
    return done_jobs(folder, jobs)


def _is_lost(job: Job, failed: Failed) -> bool:
    """Whether something that a job needs has failed; the job then has as well."""
    failed_needs = [name for name in job.needs if failed and name in failed]
    if failed and failed_needs:
        failed[job.name] = failed[failed_needs[0]]
    return bool(failed_needs)


@contextmanager
def _noted(name: str, failed: Failed) -> Generator[None]:
    """Put a failure of a job where the caller wants it; without such a place, raise it."""
    try:
        yield
    except Exception as error:
        if failed is None or isinstance(error, BrokenExecutor):
            raise
        is_user_error = isinstance(error, UserError)
        failed[name] = f"{error.what} ({error.where})" if is_user_error else repr(error)
        log.warning("%s failed: %s", name, failed[name], exc_info=not is_user_error)


def done_jobs(folder: Path, jobs: Sequence[Job]) -> dict[str, JobResult]:
    """Those of the jobs that are done, by name."""
    keys = _keys(jobs)
    return {job.name: result for job in jobs if (result := _read(folder, job.name, keys))}


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _keys(jobs: Sequence[Job]) -> dict[str, str]:
    keys: dict[str, str] = {}
    for job in jobs:
        above = [keys[name] for name in job.needs]  # a job comes after what it needs
        settings = job.settings.decisive()
        keys[job.name] = key_of(job.name, job.work.__qualname__, settings, job.inputs, above)
    return keys


def _file(folder: Path, name: str) -> Path:
    return folder / "steps" / f"{name}.json"


def _read(folder: Path, name: str, keys: Mapping[str, str]) -> JobResult | None:
    file = _file(folder, name)
    if not file.exists():
        return None
    result = read_sealed(file, JobResult, "Delete it: the step is then done again where needed.")
    return result if result.key == keys[name] else None


def _do(folder: Path, job: Job, key: str, progress: Progress) -> None:
    start = time.monotonic()
    earlier = folder / "steps" / f".{job.name}.seconds"
    before = float(earlier.read_text(encoding="utf-8")) if earlier.exists() else 0.0
    try:
        job.work(folder, job.settings, progress)
    except BaseException:
        write_atomic(earlier, str(before + time.monotonic() - start).encode(), durable=False)
        raise
    seconds = round(before + time.monotonic() - start, 1)
    result = JobResult(key=key, seconds=seconds, peak_mb=peak_mb(), process=os.getpid())
    write_sealed(_file(folder, job.name), result)
    earlier.unlink(missing_ok=True)


def peak_mb() -> float:
    """Most memory that this process has had, resident, in MB; 0 where the system doesn't say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    import sys

    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)


def memory_mb(steps: Iterable[JobResult]) -> float:
    """Most memory that the processes of these jobs can have had together, in MB.

    Of the processes of several tries, only as many as may have run at once count.
    """
    largest: dict[int, float] = {}
    for step in steps:
        largest[step.process] = max(largest.get(step.process, 0.0), step.peak_mb)
    return sum(sorted(largest.values(), reverse=True)[: cores()])


def _ordered(jobs: Sequence[Job], finished: set[str], failed: Failed) -> Iterable[Job]:
    """The jobs, each after what it needs; none whose needs have failed."""
    waiting, ready = list(jobs), set(finished)
    while waiting:
        job = next(job for job in waiting if ready.issuperset(job.needs))
        if not _is_lost(job, failed):
            yield job
        ready.add(job.name)
        waiting.remove(job)


class _Relay:
    """A worker's progress, as events."""

    def __init__(self, job: str, send: Callable[[JobEvent], None]) -> None:
        self._job = job
        self._send = send
        send(JobEvent(job, "begin"))

    def start(self, task: str, total: int | None = None) -> None:
        """A task of the job begins."""
        self._send(JobEvent(self._job, "start", task=task, total=total))

    def advance(self, count: int = 1, note: str = "") -> None:
        """More of the task is done."""
        self._send(JobEvent(self._job, "advance", units=count, note=note))


@dataclass(slots=True)
class _State:
    task: str = ""
    total: int | None = None
    count: int = 0
    over: float = 0.0
    """Share of the job that is behind the task."""
    share: float = 0.0
    """Share of the task."""

    @property
    def fraction(self) -> float:
        """Share of the job that is done."""
        within = min(1.0, self.count / self.total) if self.total else 0.0
        return min(1.0, self.over + self.share * within)


class _Board:
    """All jobs as one bar of 100, with the jobs under way next to it."""

    def __init__(self, progress: Progress, jobs: Sequence[Job], names: Iterable[str], title: str):
        self._progress = progress
        self._jobs = {job.name: job for job in jobs}
        self._states: dict[str, _State] = {}
        self._finished = list(names)
        self._percent = 0
        progress.start(title, total=100)
        self._show()

    def take(self, event: JobEvent) -> None:
        """Notes an event of a job and shows it."""
        if event.job in self._finished:
            return  # it came late
        state = self._states.setdefault(event.job, _State())
        if event.kind == "start":
            state.over += state.share
            state.task, state.total, state.count = event.task, event.total, 0
            words = event.task.split()
            state.share = self._jobs[event.job].tasks.get(words[0] if words else "", 0.0)
        elif event.kind == "advance":
            state.count += event.units
        self._show()

    def finish(self, name: str) -> None:
        """A job is done."""
        self._states.pop(name, None)
        self._finished.append(name)
        self._show()

    def _show(self) -> None:
        costs = {name: job.cost for name, job in self._jobs.items()}
        over = sum(costs[name] for name in self._finished)
        over += sum(costs[name] * state.fraction for name, state in self._states.items())
        percent = max(self._percent, min(99, int(100 * over / sum(costs.values()))))
        percent = 100 if len(self._finished) == len(self._jobs) else percent
        self._progress.advance(percent - self._percent, note=self._note())
        self._percent = percent

    def _note(self) -> str:
        if len(self._finished) == len(self._jobs):
            return f"all {len(self._jobs)} steps are done"
        last = min(len(self._finished) + len(self._states), len(self._jobs))
        return f"step {last} of {len(self._jobs)}: " + ", ".join(
            self._jobs[name].title + _count(state) for name, state in self._states.items()
        )


def _count(state: _State) -> str:
    return f" ({state.task} {state.count}/{state.total})" if state.task and state.total else ""


def _in_processes(
    folder: Path,
    jobs: Sequence[Job],
    keys: Mapping[str, str],
    finished: set[str],
    board: _Board,
    workers: int,
    failed: Failed,
) -> None:
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    events: Queue[JobEvent] = context.Queue()
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, context, _begin_worker, (events, dict(held_here())))
    try:
        _schedule(pool, folder, jobs, keys, finished, board, events, failed)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        _end(set(multiprocessing.active_children()) - others)
        raise
    pool.shutdown()


def _schedule(
    pool: ProcessPoolExecutor,
    folder: Path,
    jobs: Sequence[Job],
    keys: Mapping[str, str],
    finished: set[str],
    board: _Board,
    events: "Queue[JobEvent]",
    failed: Failed,
) -> None:
    waiting, ready = list(jobs), set(finished)
    running: dict[Future[None], str] = {}
    while waiting or running:
        for job in [job for job in waiting if ready.issuperset(job.needs)]:
            waiting.remove(job)
            if _is_lost(job, failed):
                ready.add(job.name)
            else:
                running[pool.submit(_work, folder, job, keys[job.name])] = job.name
        over, _ = wait(running, timeout=POLL_S, return_when=FIRST_COMPLETED)
        while not events.empty():
            board.take(events.get())
        for future in over:
            name = running.pop(future)
            with _noted(name, failed):
                future.result()
            ready.add(name)
            board.finish(name)


def _end(processes: "set[BaseProcess]") -> None:
    for each in processes:
        each.terminate()
    for each in processes:
        each.join(timeout=5)


_events: "Queue[JobEvent] | None" = None
"""A worker's way to this process."""


def _begin_worker(events: "Queue[JobEvent]", locks: Mapping[Path, bool]) -> None:
    """Makes a process a worker: Ctrl-C is its parent's business, and it does not outlive it."""
    global _events
    import multiprocessing
    import signal
    from multiprocessing.connection import wait as wait_for
    from threading import Thread

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"  # read once, when torch is imported
    _events = events
    hold_with_parent(locks)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait_for([parent.sentinel])
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _work(folder: Path, job: Job, key: str) -> None:
    assert _events is not None
    _do(folder, job, key, _Relay(job.name, _events.put))
