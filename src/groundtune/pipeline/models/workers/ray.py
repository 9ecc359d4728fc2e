"""`Workers` on Ray: Ray Data's map_batches over actors, each of which loads its model once.

Ray schedules the batches, retries those of a dead worker, and lets workers join. A row of its data
set is one pickled batch of the stage.
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
from groundtune.pipeline.models.settings import OnRay
from groundtune.pipeline.runs.jobs import cores

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

RETRIES = 3
"""Retries of a batch whose worker died; a batch that kills every worker ends the run. Ray 2.64
removes this setting, hence the bound in pyproject.toml."""
MAX_BLOCKS = 10_000
"""Ray keeps a handle of each block; with more batches than this, a block has several."""
_STORE_BYTES = 200 * 2**20
"""Size of the object store in a cluster that we start: only texts and numbers go through it."""
_CONNECT_SECONDS = 10
"""How long an address may take to accept a connection."""


@contextmanager
def open_ray(settings: OnRay) -> "Generator[RayWorkers, None, None]":
    """Open workers on the cluster of the settings, or on the one that is already connected.

    Raises:
        UserError: Ray isn't installed, the cluster can't be reached, or this machine is too small.
    """
    ray = _import_ray()
    connect = not ray.is_initialized()
    if connect:
        _connect(ray, settings)
    try:
        _check_accelerators(ray.cluster_resources().get("GPU", 0), settings)
        yield RayWorkers(ray, settings)
    finally:
        if connect:
            ray.shutdown()


class RayWorkers:
    """`Workers` that are actors of the connected cluster."""

    def __init__(self, ray: Any, settings: OnRay) -> None:
        self._ray = ray
        self._settings = settings

    def run(self, work: Callable[[T], R], batches: Sequence[T]) -> Iterator[tuple[int, R]]:
        """Yield the index and result of each batch as workers finish them.

        Raises:
            UserError: `work` raised it, or every worker that tried a batch died.
        """
        if not batches:
            return
        try:
            for row in self._rows(work, batches):
                result: Any = pickle.loads(row["result"])
                if isinstance(result, UserError):
                    raise result
                yield row["index"], result
        except self._ray.exceptions.RayActorError as error:
            why = _lines(error)[-1].strip()
            raise UserError(
                f"A batch's workers died {RETRIES + 1} times, the last time because: {why}",
                "engine.type=ray",
                "Read the worker's log; if it ran out of memory, use a smaller batch_size.",
            ) from error

    def _rows(self, work: Callable[[T], R], batches: Sequence[T]) -> Iterator[dict[str, Any]]:
        """Yield the index and pickled result of each batch as they finish."""
        data, settings = self._ray.data, self._settings
        rows = [{"index": i, "batch": pickle.dumps(batch)} for i, batch in enumerate(batches)]
        inputs = data.from_items(rows, override_num_blocks=min(len(rows), MAX_BLOCKS))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*ray_remote_args.*")  # see RETRIES
            results = inputs.map_batches(
                _Worker,
                fn_constructor_args=(pickle.dumps(work),),
                batch_size=1,
                batch_format="pyarrow",
                compute=data.ActorPoolStrategy(size=min(settings.workers, len(rows))),
                num_cpus=settings.cpus,
                num_gpus=settings.gpus,
                max_restarts=-1,
                max_task_retries=RETRIES,
            )
        results.context.enable_progress_bars = False
        results.context.print_on_execution_start = False
        tables = results.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
        for table in tables:
            yield from table.to_pylist()


class _Worker:
    """An actor that processes the batches it gets from Ray."""

    def __init__(self, work: bytes) -> None:
        self._work: Callable[[Any], Any] = pickle.loads(work)

    def __call__(self, rows: Any) -> Any:
        """Return the results of the rows (an Arrow table), pickled; a UserError is a result."""
        pa: Any = importlib.import_module("pyarrow")
        batches = (pickle.loads(batch) for batch in rows.column("batch").to_pylist())
        results = [pickle.dumps(self._result(batch)) for batch in batches]
        return pa.table({"index": rows.column("index"), "result": pa.array(results, pa.binary())})

    def _result(self, batch: Any) -> Any:
        try:
            return self._work(batch)
        except UserError as error:  # raised again in the main process
            return error


def _import_ray() -> Any:
    # Without this, Ray's messages mix with our progress lines; a user's values take precedence.
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
            "Run pip install 'groundtune[ray]', or leave out --engine ray: the result is the same.",
        ) from error
    return ray


def _connect(ray: Any, settings: OnRay) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    local: dict[str, Any] = {}
    if settings.address == "local":
        _check_resources({"CPU": cores()}, settings)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        local = {
            "num_cpus": cores(),
            "include_dashboard": False,
            "object_store_memory": _STORE_BYTES,
        }
    try:
        _check_listens(settings.address)
        ray.init(address=settings.address, **local, **quiet)
    except Exception as error:  # Ray raises plain Exception if a node doesn't start
        raise UserError(
            f"The Ray cluster can't be reached: {_lines(error)[0]}",
            f"engine.address={settings.address}",
            "Try again on a less busy machine." if local else "Start one with `ray start --head`.",
        ) from error


def _check_listens(address: str) -> None:
    """Raise OSError if nothing listens at HOST:PORT; Ray itself would retry for 15 minutes."""
    host, _, port = address.rpartition(":")
    if port.isdigit() and "://" not in host:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()


def _check_resources(available: dict[str, float], settings: OnRay) -> None:
    """Raise UserError if this machine has no room for all actors: they would wait forever."""
    for kind, number in available.items():
        each = settings.cpus if kind == "CPU" else settings.gpus
        if each * settings.workers > number:
            raise UserError(
                f"{settings.workers} workers need {each * settings.workers:g} {kind}s, "
                f"but this machine has {number:g}.",
                f"engine.workers={settings.workers}, engine.{kind.lower()}s={each:g}",
                "Use fewer workers, or a larger cluster: engine.address=HOST:PORT.",
            )


def _check_accelerators(gpus: float, settings: OnRay) -> None:
    if settings.address == "local":
        _check_resources({"GPU": gpus}, settings)
    if gpus and not settings.gpus:
        log.warning("the cluster has GPUs, but its workers use none: set engine.gpus=1")


def _lines(error: Exception) -> list[str]:
    """Return the lines of an error's message, or its class name if there is none."""
    return str(error).strip().splitlines() or [type(error).__name__]
