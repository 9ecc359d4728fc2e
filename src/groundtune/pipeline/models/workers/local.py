"""Workers for a stage's batches: this process (the default), or actors of a Ray cluster.

A stage splits its work into the same batches for both, and a model processes one batch at a time,
so the results do not depend on the workers.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from groundtune.pipeline.models.settings import Local, OnRay
from groundtune.protocols import Workers

T = TypeVar("T")
R = TypeVar("R")


class LocalWorkers:
    """`Workers` that process batches in this process, one by one, in order."""

    def run(self, work: Callable[[T], R], batches: Sequence[T]) -> Iterator[tuple[int, R]]:
        """Yield the index of each batch and the result of `work` on it."""
        for index, batch in enumerate(batches):
            yield index, work(batch)


@contextmanager
def open_workers(settings: Local | OnRay) -> Generator[Workers, None, None]:
    """Open the workers of the settings; a cluster started here stops at the end of the block.

    Raises:
        UserError: Ray isn't installed, or the cluster can't be reached or is too small.
    """
    if settings.type == "local":
        yield LocalWorkers()
        return
    from groundtune.pipeline.models.workers.ray import open_ray

    with open_ray(settings) as workers:
        yield workers
