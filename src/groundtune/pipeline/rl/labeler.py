"""The models that check claims, on weights that are in memory already where they fit.

A labeler that is the policy before training has the weights of the policy's base, or of the
reference's copy of them, and so has one that is an adapter on that base. Its modules are its own,
so nothing that the policy learns changes a verdict.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.pipeline.feedback.claim_settings import (
    ClaimSettings,
    first_image,
    models_here,
    open_labelling,
)
from groundtune.pipeline.feedback.claims import Labelling
from groundtune.pipeline.feedback.oracles import DETECTOR
from groundtune.pipeline.feedback.wrong_words import WordDivider, finds_words
from groundtune.pipeline.models.generators import close
from groundtune.pipeline.models.names import Labeler, resolve_answering
from groundtune.pipeline.models.settings import ModelSettings
from groundtune.pipeline.reward.sharing import Base, LoadedBase, count_weights, why_other_type
from groundtune.pipeline.rl.memory import AddedWeights, LoadedModel
from groundtune.pipeline.runs.folder import RunFolder, read_some

if TYPE_CHECKING:
    from groundtune.generate.hf import HfGenerator
    from groundtune.store.images import ImageStore

LABELER = "labeler"
FINDS_OBJECTS = "it is an object detector"
FINDS_WORDS = "it is a token-level reward model"


@contextmanager
def labelling_on(
    base: LoadedBase | str, feedback: ClaimSettings, folder: RunFolder
) -> Generator[tuple[Labelling, dict[str, LoadedModel]]]:
    """The same as `open_labelling`, on shared weights, and the models in memory by their roles.

    `base` are weights without an adapter yet, or why there are none to share. Nobody is "self".

    Raises:
        UserError: as `open_labelling`.
    """
    from groundtune.generate.hf import HfGenerator
    from groundtune.generate.yes_no import check_labeler

    labelers: dict[str, Labeler] = {}
    roles, why = models_here(feedback), dict[str, str]()
    for name, role in roles.items():
        model = feedback.part(ModelSettings, model=name)
        why[name] = base if isinstance(base, str) else why_apart(model, base.base)
        if not why[name] and not isinstance(base, str):
            labelers[name] = _on(base, model, folder.images)
            if role == LABELER:
                check_labeler(labelers[name], first_image(read_some(folder.prompts)), name)
    try:
        with open_labelling(feedback, folder, labelers, answered=False) as labelling:
            models = {
                role: LoadedModel((generator.vlm.model,), why[name])
                for name, role in roles.items()
                if isinstance(generator := labelers[name], HfGenerator)
            }
            yield labelling, models | _no_generator(labelling)
    finally:
        close(labelers.values())


def _on(base: LoadedBase, settings: ModelSettings, images: "ImageStore") -> "HfGenerator":
    """Return the model that `open_generator` returns, on shared weights."""
    from groundtune.generate.hf import HfGenerator
    from groundtune.vlm.load import base_of
    from groundtune.vlm.shared_base import on_base

    vlm = on_base(base.vlm, base_of(resolve_answering(settings.model), None)[1])
    vlm.special_tokens = settings.special_tokens
    return HfGenerator(vlm, images, settings.batch_size, name=settings.model)


def _no_generator(labelling: Labelling) -> dict[str, LoadedModel]:
    """Return the labeler if it is a model that answers no prompts."""
    from groundtune.pipeline.feedback.detector import Detector
    from groundtune.pipeline.reward.model import RewardModel

    labeler = labelling.labeler
    if isinstance(labeler, Detector):
        return {LABELER: LoadedModel((labeler.model,), FINDS_OBJECTS)}
    if isinstance(labeler, WordDivider) and isinstance(labeler.model, RewardModel):
        model = labeler.model
        return {LABELER: LoadedModel((model.vlm.model, model.values), FINDS_WORDS)}
    return {}


def why_apart(settings: ModelSettings, base: Base) -> str:
    """Return why a model that checks claims can't share the weights of `base`, "" if it can.

    Loads no weights.

    Raises:
        UserError: there is no such model.
    """
    from groundtune.vlm.device import choose_device
    from groundtune.vlm.load import base_of, revision_of
    from groundtune.vlm.revision import MAIN, base_revision

    name, adapter = base_of(resolve_answering(settings.model), None)
    revision = base_revision(name, adapter)
    if name == base.name and revision not in (MAIN, base.revision):
        return f"it is on the revision {revision} of {name}"
    if name != base.name and revision_of(name, revision=revision) != base.revision:
        return f"it has other weights than the policy's base, {name}"
    device = choose_device(settings.device)
    same = device == base.device if settings.device != "auto" else device.type == base.device.type
    if not same:
        return f"it is on {device}, the policy on {base.device}"
    return why_other_type(base, settings.dtype)


def other_bases(feedback: ClaimSettings, base: str) -> bool:
    """Return whether a model that checks claims has a base of another name."""
    from groundtune.vlm.load import base_of

    names = (resolve_answering(name) for name in models_here(feedback))
    return any(base_of(name, None)[0] != base for name in names)


def planned_checkers(feedback: ClaimSettings, base: Base | str) -> dict[str, AddedWeights]:
    """Return what the models that check claims add to memory, by their roles, without loading them.

    Raises:
        UserError: a model can't be read.
    """
    from groundtune.pipeline.feedback.detector import outline_detector
    from groundtune.vlm.device import choose_device

    device = choose_device(feedback.device).type
    if finds_words(feedback.labeler):
        folder = str(Path(feedback.labeler).resolve())
        count = count_weights(folder, device, shared=False, dtype=feedback.dtype)
        return {LABELER: AddedWeights(*count, FINDS_WORDS)}
    checkers: dict[str, AddedWeights] = {}
    if feedback.labeler.startswith(DETECTOR):
        weights = [*outline_detector(feedback.labeler.removeprefix(DETECTOR)).parameters()]
        size = sum(weight.numel() * weight.element_size() for weight in weights)
        number = sum(weight.numel() for weight in weights)
        checkers[LABELER] = AddedWeights(number, size, FINDS_OBJECTS)
    for name, role in models_here(feedback).items():
        model = feedback.part(ModelSettings, model=name)
        why = base if isinstance(base, str) else why_apart(model, base)
        path = resolve_answering(name)
        count = count_weights(path, device, shared=not why, dtype=feedback.dtype)
        checkers[role] = AddedWeights(*count, why)
    return checkers
