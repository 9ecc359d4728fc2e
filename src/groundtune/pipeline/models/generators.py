"""From a stage's settings to the model that answers: here, at an endpoint, or by workers."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from groundtune.errors import UserError
from groundtune.pipeline.models.names import (
    Labeler,
    is_endpoint,
    load_vlm,
    no_question,
    open_endpoint,
    refuse_on_endpoint,
    revision_of,
)
from groundtune.pipeline.models.settings import ModelSettings
from groundtune.pipeline.models.workers.lazy import (
    Lazy,
    LazyModel,
    check_folder,
    for_workers,
    load_in_worker,
)

if TYPE_CHECKING:
    from groundtune.generate.hf import HfGenerator
    from groundtune.store.images import ImageStore
    from groundtune.vlm.load import Vlm


def open_generator(
    settings: ModelSettings,
    images: "ImageStore",
    ready: Callable[[Labeler], object] = no_question,
    *,
    name: str = "",
) -> Labeler:
    """Open the model that the settings name: here, at an endpoint, or one for workers.

    Each worker loads a model for workers itself. `ready` is called with a loaded model before it is
    used: to ask a control question, for example. Answers are by `name`, or else by the model's.

    Raises:
        UserError: the model can't be loaded or reached, an endpoint has an adapter or is to be
            asked by workers, or what `ready` raises.
    """
    if is_endpoint(settings.model):
        model = _endpoint(settings, images, name)
    elif settings.engine.type == "local":
        model: Labeler = _generator(settings, load_vlm(settings), images, name)
    else:
        return _for_workers(settings, images, name, ready)
    ready(model)
    return model


def _endpoint(settings: ModelSettings, images: "ImageStore", name: str) -> Labeler:
    refuse_on_endpoint(settings)
    if settings.engine.type != "local":
        raise UserError(
            "An endpoint has its own workers: they are asked from this process.",
            settings.model,
            "Leave --engine out; a larger batch_size sends more requests at a time.",
        )
    return open_endpoint(settings.model, images, concurrency=settings.batch_size, label=name)


def _for_workers(
    settings: ModelSettings, images: "ImageStore", name: str, ready: Callable[[Labeler], object]
) -> LazyModel:
    revision, name = revision_of(settings), name or settings.model
    there = for_workers(settings)
    opening = partial(_load_there, there, images.root.absolute(), name, revision, ready)
    return LazyModel(name, revision, Lazy(opening))


def _load_there(
    settings: ModelSettings,
    images: Path,
    name: str,
    revision: str,
    ready: Callable[[Labeler], object],
) -> Labeler:
    """Load the model in a worker, and check that it is the one that the keys name."""
    from groundtune.store.images import ImageStore

    check_folder(images.parent)
    model = _generator(settings, load_in_worker(settings, revision), ImageStore(images), name)
    ready(model)
    return model


def _generator(
    settings: ModelSettings, vlm: "Vlm", images: "ImageStore", name: str
) -> "HfGenerator":
    from groundtune.generate.hf import HfGenerator

    return HfGenerator(vlm, images, settings.batch_size, name=name or settings.model)


@runtime_checkable
class _Closes(Protocol):
    def close(self) -> None: ...


def close(models: Iterable[Labeler]) -> None:
    """Close the connections of models at endpoints."""
    for model in models:
        if isinstance(model, _Closes):
            model.close()
