"""Who works off a stage's batches: this process (the default), or actors of a Ray cluster.

A stage cuts its work into batches, in the same way for both, and a batch goes through a model as a
whole: so what comes out does not depend on who worked.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from groundtune.pipeline.model_settings import Local, OnRay
from groundtune.protocols import Workers

T = TypeVar("T")
R = TypeVar("R")


class LocalWorkers:
    """`Workers` without any: batches are worked off here, one by one, in order."""

    def run(self, work: Callable[[T], R], batches: Sequence[T]) -> Iterator[tuple[int, R]]:
        """What `work` makes of each batch, with its index."""
        for index, batch in enumerate(batches):
            yield index, work(batch)


@contextmanager
def open_workers(settings: Local | OnRay) -> Generator[Workers, None, None]:
    """The workers that the settings name; a cluster that is started for them ends with the block.

    Raises:
        UserError: Ray isn't installed, the cluster can't be reached, or has not so much.
    """
    if settings.type == "local":
        yield LocalWorkers()
        return
    from groundtune.pipeline.workers.ray import open_ray

    with open_ray(settings) as workers:
        yield workers
