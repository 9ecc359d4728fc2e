"""Names of models: a folder, the Hugging Face hub's, an endpoint's, or a prompt source's."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from groundtune.errors import UserError
from groundtune.pipeline.models.prompt_sources import named_in
from groundtune.pipeline.models.settings import ModelSettings
from groundtune.protocols import Generator, Images, YesNo
from groundtune.store.checksums import sha256_of
from groundtune.vlm.local_path import refuse_missing_folder

if TYPE_CHECKING:
    from groundtune.generate.openai import OpenAIGenerator
    from groundtune.vlm.load import Vlm


REWARD = "reward.json"
"""In the folder of a reward model: what it is."""


class Labeler(Generator, YesNo, Protocol):
    """A model that answers prompts and yes/no questions."""


def no_question(model: Labeler) -> None:
    """What is asked of a model before it is used: nothing."""


def resolve(name: str) -> str:
    """What `vlm.load` takes: `world:base` becomes the folder of the shipped weights.

    Raises:
        UserError: the prompt source that the name begins with has no such model, or a folder
            doesn't exist.
    """
    source = named_in(name)
    if source is None:
        if not is_endpoint(name):
            refuse_missing_folder(name)
        return name
    if source.model is None:
        raise UserError(
            f"No model comes with the prompt source {source.name}.",
            name,
            "Name a model's folder, or one on the hub.",
        )
    return str(source.model(name.partition(":")[2]))


def is_endpoint(name: str) -> bool:
    """Whether a model is asked over HTTP: openai:MODEL@URL."""
    return name.startswith(("openai:", "http://", "https://"))


def refuse_on_endpoint(settings: ModelSettings) -> None:
    """Refuse settings that choose weights: an endpoint has its own.

    Raises:
        UserError: there is an adapter or a revision.
    """
    if settings.adapter:
        raise UserError(
            "An endpoint takes no adapter.", settings.adapter, "Serve the model with its adapter."
        )
    if settings.revision != "main":
        raise UserError(
            "An endpoint takes no revision.",
            f"revision={settings.revision}",
            "Serve that revision of the model, and leave revision out.",
        )


def open_endpoint(
    name: str, images: Images, *, concurrency: int, label: str = ""
) -> "OpenAIGenerator":
    """Return the model openai:MODEL@URL, asked with up to `concurrency` requests at a time.

    Answers say that they are by `label`, where it is given.

    The key is that of the environment variable GROUNDTUNE_API_KEY, if it is set.

    Raises:
        UserError: the name can't be read, or the server can't be reached.
    """
    from groundtune.generate.endpoint import parse_endpoint
    from groundtune.generate.openai import OpenAIGenerator

    settings = parse_endpoint(name).model_copy(update={"concurrency": concurrency})
    return OpenAIGenerator(settings, images, name=label)


def resolve_answering(name: str) -> str:
    """Return what `resolve` does, of a model that gives answers.

    Raises:
        UserError: as `resolve`; or the folder has a reward model.
    """
    model = resolve(name)  # a folder that doesn't exist is refused at once
    if (Path(model) / REWARD).is_file():
        raise UserError(
            "The folder has a reward model, which scores answers and gives none.",
            model,
            "Name a model that answers; or use the reward model with groundtune reward score.",
        )
    return model


def load_vlm(settings: ModelSettings) -> "Vlm":
    """Load the model that the settings name.

    Raises:
        UserError: it can't be loaded.
    """
    model = resolve_answering(settings.model)
    from groundtune.vlm.load import load

    vlm = load(
        model,
        adapter=_adapter(settings),
        revision=settings.revision,
        dtype=settings.dtype,
        device=settings.device,
    )
    vlm.special_tokens = settings.special_tokens
    return vlm


def revision_of(settings: ModelSettings) -> str:
    """Return the revision that `load_vlm`'s model has, without loading its weights.

    Raises:
        UserError: there is no such model.
    """
    from groundtune.vlm.load import revision_of

    return revision_of(
        resolve(settings.model), adapter=_adapter(settings), revision=settings.revision
    )


def refuse_same(tuned: ModelSettings, reference: ModelSettings) -> tuple[str, str]:
    """Return the revisions of a tuned model and its reference.

    Raises:
        UserError: both have the same weights and settings, or one of them is not there.
    """
    revisions = revision_of(tuned), revision_of(reference)
    if revisions[0] == revisions[1]:
        raise UserError(
            "The reference is the tuned model itself, so the reward of every answer would be 0.",
            f"model {tuned.model}, reference {reference.model}",
            "Name the model from before the training as the reference.",
        )
    return revisions


def _adapter(settings: ModelSettings) -> Path | None:
    return Path(settings.adapter) if settings.adapter else None


def fingerprint(model: str) -> str:
    """Hash of a local model's weights and settings, or the name of one that isn't local."""
    folder = Path(resolve(model))
    files = sorted([*folder.glob("*.safetensors"), *folder.glob("*.json"), *folder.glob("*.jinja")])
    if not files:
        return model
    whole = hashlib.sha256()
    for file in files:
        whole.update(file.name.encode() + b"\0" + bytes.fromhex(sha256_of(file)))
    return whole.hexdigest()[:32]


def fingerprints(models: Mapping[str, str]) -> dict[str, str]:
    """Return the fingerprint of each model, by what it is to a run."""
    return {name: fingerprint(model) for name, model in models.items()}


def model_or_folder(folder: Path, model: str) -> str:
    """A model's name, or the folder under the run's that it names."""
    inside = folder / model
    return str(inside) if (inside / "config.json").exists() else resolve(model)
