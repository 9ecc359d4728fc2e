"""`Workers` on Ray: Ray Data's map_batches over actors, each of which opens its model once.

Ray schedules, retries what a dead worker had, and lets workers join. What is here is the way there
and back: a row is a whole batch of the stage, pickled by one of our processes for another.
"""

import importlib
import logging
import os
import pickle
import socket
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from groundtune.errors import UserError
from groundtune.pipeline.jobs import cores
from groundtune.pipeline.model_settings import OnRay

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

RETRIES = 3
"""How often a batch is tried again whose worker died; a batch that kills them all ends the run. Ray
2.64 takes this setting away, hence the bound in pyproject.toml."""
MOST_BLOCKS = 10_000
"""Ray holds a handle of each block; above this a block has several batches."""
_STORE_BYTES = 200 * 2**20
"""Ray's object store in a cluster of ours: only texts and numbers go through it."""
_LISTENS_S = 10
"""How long an address may take to accept a connection."""


@contextmanager
def open_ray(settings: OnRay) -> "Generator[RayWorkers, None, None]":
    """Workers on the cluster that the settings name, or that this process is connected to already.

    Raises:
        UserError: Ray isn't installed, the cluster can't be reached, or this machine has less than
            is asked for.
    """
    ray = _imported()
    own = not ray.is_initialized()
    if own:
        _connect(ray, settings)
    try:
        _check_accelerators(ray.cluster_resources().get("GPU", 0), settings)
        yield RayWorkers(ray, settings)
    finally:
        if own:
            ray.shutdown()


class RayWorkers:
    """`Workers` that are actors of the cluster to which `ray` is connected."""

    def __init__(self, ray: Any, settings: OnRay) -> None:
        self._ray = ray
        self._settings = settings

    def run(self, work: Callable[[T], R], batches: Sequence[T]) -> Iterator[tuple[int, R]]:
        """What `work` makes of each batch, with its index, as workers finish them.

        Raises:
            UserError: what `work` raised, or a batch ended each worker that tried it.
        """
        if not batches:
            return
        try:
            for row in self._rows(work, batches):
                made: Any = pickle.loads(row["made"])
                if isinstance(made, UserError):
                    raise made
                yield row["index"], made
        except self._ray.exceptions.RayActorError as error:
            why = _lines(error)[-1].strip()
            raise UserError(
                f"A batch's workers died {RETRIES + 1} times, the last of them so: {why}",
                "engine.type=ray",
                "Look at the worker's log; where memory ran out, take a smaller batch_size.",
            ) from error

    def _rows(self, work: Callable[[T], R], batches: Sequence[T]) -> Iterator[dict[str, Any]]:
        """Index and pickled result of each batch, as they come."""
        data, own = self._ray.data, self._settings
        rows = [{"index": i, "batch": pickle.dumps(batch)} for i, batch in enumerate(batches)]
        given = data.from_items(rows, override_num_blocks=min(len(rows), MOST_BLOCKS))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*ray_remote_args.*")  # see RETRIES
            made = given.map_batches(
                _Worker,
                fn_constructor_args=(pickle.dumps(work),),
                batch_size=1,
                batch_format="pyarrow",
                compute=data.ActorPoolStrategy(size=min(own.workers, len(rows))),
                num_cpus=own.cpus,
                num_gpus=own.gpus,
                max_restarts=-1,
                max_task_retries=RETRIES,
            )
        made.context.enable_progress_bars = False
        made.context.print_on_execution_start = False
        tables = made.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
        for table in tables:
            yield from table.to_pylist()


class _Worker:
    """One actor: works off the batches that Ray hands it."""

    def __init__(self, work: bytes) -> None:
        self._work: Callable[[Any], Any] = pickle.loads(work)

    def __call__(self, rows: Any) -> Any:
        """The results of the rows (an Arrow table), a UserError where there is one."""
        pa: Any = importlib.import_module("pyarrow")
        made = [pickle.dumps(self._result(pickle.loads(each))) for each in _column(rows, "batch")]
        return pa.table({"index": rows.column("index"), "made": pa.array(made, pa.binary())})

    def _result(self, batch: Any) -> Any:
        try:
            return self._work(batch)
        except UserError as error:  # for a person, who sits at another process
            return error


def _column(rows: Any, name: str) -> list[bytes]:
    return rows.column(name).to_pylist()


def _imported() -> Any:
    # Ray would tell of itself between the lines of progress; what a person has set stays.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_DATA_LOG_LEVEL", "WARNING")
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)
    try:
        ray = importlib.import_module("ray")
        importlib.import_module("ray.data")
    except ImportError as error:
        raise UserError(
            "Ray is not installed.",
            "--engine ray",
            "pip install 'groundtune[ray]', or leave --engine ray out: one process does the same.",
        ) from error
    return ray


def _connect(ray: Any, settings: OnRay) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    own: dict[str, Any] = {}
    if settings.address == "local":
        _refuse_too_much({"CPU": cores()}, settings)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        own = {"num_cpus": cores(), "include_dashboard": False, "object_store_memory": _STORE_BYTES}
    try:
        _check_listens(settings.address)
        ray.init(address=settings.address, **own, **quiet)
    except Exception as error:  # the class itself is what Ray raises where a node doesn't start
        raise UserError(
            f"Ray's cluster isn't there: {_lines(error)[0]}",
            f"engine.address={settings.address}",
            "Try again on a less busy machine." if own else "Start one with `ray start --head`.",
        ) from error


def _check_listens(address: str) -> None:
    """Raises OSError where nobody listens at HOST:PORT: Ray would try for a quarter of an hour."""
    host, _, port = address.rpartition(":")
    if port.isdigit() and "://" not in host:
        socket.create_connection((host.strip("[]"), int(port)), _LISTENS_S).close()


def _refuse_too_much(there: dict[str, float], settings: OnRay) -> None:
    """Raises UserError where this machine has no room for all actors: they would wait forever."""
    for kind, number in there.items():
        each = settings.cpus if kind == "CPU" else settings.gpus
        if each * settings.workers > number:
            raise UserError(
                f"{settings.workers} workers take {each * settings.workers:g} {kind}s, "
                f"and this machine has {number:g}.",
                f"engine.workers={settings.workers}, engine.{kind.lower()}s={each:g}",
                "Ask for less, or name a larger cluster: engine.address=HOST:PORT.",
            )


def _check_accelerators(there: float, settings: OnRay) -> None:
    if settings.address == "local":
        _refuse_too_much({"GPU": there}, settings)
    if there and not settings.gpus:
        log.warning("the cluster has GPUs, but workers see none of them: set engine.gpus=1")


def _lines(error: Exception) -> list[str]:
    """What an error says, at least its class."""
    return str(error).strip().splitlines() or [type(error).__name__]
