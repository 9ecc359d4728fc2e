"""Loads models by their names and assembles the server."""

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Self

from PIL import Image
from pydantic import Field, model_validator

from groundtune.errors import UserError
from groundtune.hosts import is_this_machine
from groundtune.pipeline.models.names import (
    Labeler,
    is_endpoint,
    load_vlm,
    open_endpoint,
    refuse_on_endpoint,
    refuse_same,
)
from groundtune.pipeline.models.settings import LabelledModel, ModelSettings
from groundtune.pipeline.reward.settings import Show
from groundtune.protocols import Divider, Progress
from groundtune.records import Sampling
from groundtune.serve.limits import Limits

if TYPE_CHECKING:
    from groundtune.pipeline.feedback.claims import Labelling
    from groundtune.pipeline.reward.rewarders import OpenedRewarder
    from groundtune.serve.backend import Backend, ClaimCheck
    from groundtune.serve.images import LentImages
    from groundtune.serve.service import RewarderOf, Service
    from groundtune.serve.thread import ModelThread
    from groundtune.vlm.load import Vlm

SELF = "self"
_CONTROL = "control"
"""Placeholder for a sha256: the image of the labeler's control question."""


class ServeSettings(LabelledModel):
    """The served models and their limits."""

    reference: str = ""
    """The model before the training, needed for self_feedback."""
    tuned: str = SELF
    """The model whose reward chooses among candidates: "self", or another tuned model with this
    reference, for example for an upstream server's answers."""
    beta: float = Field(default=0.1, gt=0)
    """DPO's beta (RLAIF-V's, arXiv 2405.17220): scales r, which changes no choice."""
    reward: str = ""
    """Reward model for the field reward and for /v1/reward: its folder, the name of an installed
    package's reward, or a server's URL."""
    facts: Show | None = None
    """Facts that it reads; its own setting if not given. Only /v1/reward can send any."""
    labeler: str = ""
    """The model that checks claims: "self", a model as above, or the folder of a token-level reward
    model, which marks wrong words and needs no divider; needed for check."""
    divider: str = SELF
    """The divider of answers into claims: "self" is the labeler, "world" the rules of that prompt
    source (also if the labeler is world:...), or a model as above."""
    instruction: str = "divide-and-ask-1"
    """Instruction of a model that divides: a built-in one (split-1 for a custom splitter), or a
    file with the placeholders ${question} and ${answer}."""
    thumbs: str = ""
    """Folder for people's thumbs up and down; needed for /v1/thumbs and the page's buttons."""
    gather_seconds: float = Field(default=0.005, ge=0)
    """How long a batch of answers waits for more requests before it starts."""
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _in_this_process(self) -> Self:
        if self.engine.type != "local":
            raise ValueError("the server runs its models in this process: leave engine out")
        return self

    def role(self, name: str) -> "ServeSettings":
        """Return the settings of the model that a role names: "self" is the served one."""
        return self if name == SELF else self.of(name)


def listen(host: str, port: int, token: str) -> socket.socket:
    """Open the server's socket.

    Raises:
        UserError: the address is not local and there is no token, or it is not available.
    """
    if not is_this_machine(host) and not token:
        raise UserError(
            "Anyone who can reach this address could use the server.",
            f"--host {host}",
            "Set the environment variable GROUNDTUNE_SERVE_TOKEN or --token, or leave out --host.",
        )
    if not 0 <= port <= 65_535:
        raise UserError("There is no such port.", f"--port {port}", "Give 0 to 65535.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise UserError(
            f"The server can't listen there: {(error.strerror or str(error)).partition(' (')[0]}.",
            f"{host}:{port}",
            "Stop the program that uses this port, or choose another --port (0 for any).",
        ) from error


def open_service(settings: ServeSettings, progress: Progress) -> "Service":
    """Load the models, each once.

    Raises:
        UserError: a model can't be loaded or reached, or a labeler doesn't answer yes and no.
    """
    from groundtune.pipeline.feedback.thumbs import ThumbLog
    from groundtune.serve.images import LentImages
    from groundtune.serve.service import Service
    from groundtune.serve.thread import ModelThread

    images, thread = LentImages(), ModelThread()
    models = _LoadedModels(images, progress)
    return Service(
        model=settings.label or _default_name(settings.model),
        backend=_backend(settings, models, thread),
        images=images,
        thread=thread,
        limits=settings.limits,
        batch_size=settings.batch_size,
        rewarders=_rewarders(settings, models) if settings.reference else None,
        rewarder=_rewarder(settings, models, progress) if settings.reward else None,
        check=_check(settings, models) if settings.labeler else None,
        thumbs=ThumbLog(Path(settings.thumbs)) if settings.thumbs else None,
    )


class _LoadedModels:
    """The loaded models; the same weights are loaded once."""

    def __init__(self, images: "LentImages", progress: Progress) -> None:
        self.images = images
        self._progress = progress
        self._vlms: dict[tuple[str, str, str], Vlm] = {}

    def vlm(self, model: ModelSettings) -> "Vlm":
        """Load a model in this process."""
        if is_endpoint(model.model):
            raise UserError(
                "An endpoint can't be used here: log-probabilities are needed token by token.",
                model.model,
                "Give a model's folder, or a model on the hub.",
            )
        weights = model.model, model.adapter, model.revision
        if weights not in self._vlms:
            self._progress.start(f"load {model.model}")
            self._vlms[weights] = load_vlm(model)
        return self._vlms[weights]

    def labeler(self, model: ModelSettings) -> Labeler:
        """Open a model that answers prompts and questions."""
        from groundtune.generate.hf import HfGenerator

        if is_endpoint(model.model):
            return open_endpoint(model.model, self.images, concurrency=model.batch_size)
        return HfGenerator(self.vlm(model), self.images, model.batch_size, name=model.model)


def _default_name(model: str) -> str:
    from groundtune.generate.endpoint import parse_endpoint

    return parse_endpoint(model).model if is_endpoint(model) else model


def _backend(settings: ServeSettings, models: _LoadedModels, thread: "ModelThread") -> "Backend":
    if is_endpoint(settings.model):
        refuse_on_endpoint(settings)
        from groundtune.generate.endpoint import parse_endpoint
        from groundtune.serve.upstream import UpstreamBackend

        limits = settings.limits
        bounds = {"timeout_s": limits.seconds, "concurrency": limits.running}
        return UpstreamBackend(parse_endpoint(settings.model).model_copy(update=bounds))
    from groundtune.serve.local import LocalBackend
    from groundtune.serve.speaker import VlmSpeaker

    size = settings.batch_size
    speaker = VlmSpeaker(models.vlm(settings), models.images, size)
    return LocalBackend(speaker, thread, batch_size=size, gather_s=settings.gather_seconds)


def _rewarders(settings: ServeSettings, models: _LoadedModels) -> "RewarderOf":
    from groundtune.generate.own_reward import OwnReward

    tuned_model, reference_model = settings.role(settings.tuned), settings.of(settings.reference)
    tuned = models.vlm(tuned_model)
    refuse_same(tuned_model, reference_model)
    reference = models.vlm(reference_model)

    def reward_with(normalise: float) -> OwnReward:
        return OwnReward(
            tuned,
            reference,
            models.images,
            beta=settings.beta,
            normalise=normalise,
            at_once=settings.batch_size,
        )

    return reward_with


def _rewarder(
    settings: ServeSettings, models: _LoadedModels, progress: Progress
) -> "OpenedRewarder":
    from groundtune.pipeline.reward.rewarders import RewarderSettings, open_rewarder

    progress.start(f"load {settings.reward}")
    rewarder_settings = RewarderSettings(
        rewarder=settings.reward,
        facts=settings.facts,
        device=settings.device,
        dtype=settings.dtype,
    )
    return open_rewarder(rewarder_settings, models.images)


def _check(settings: ServeSettings, models: _LoadedModels) -> "ClaimCheck":
    from groundtune.generate.yes_no import check_labeler
    from groundtune.pipeline.feedback.claims import Labelling
    from groundtune.pipeline.feedback.wrong_words import finds_words, open_words
    from groundtune.serve.check import LabelledCheck
    from groundtune.serve.images import RequestImage

    if finds_words(settings.labeler):
        words = open_words(settings.labeler, models.images, settings.device, settings.dtype)
        return LabelledCheck(Labelling(divider=words, labeler=words, by=words.producer()))
    model = settings.role(settings.labeler)
    labeler, name = models.labeler(model), model.model
    blank = RequestImage(_CONTROL, Image.new("RGB", (64, 64), "white"))
    with models.images.lend([blank]):
        check_labeler(labeler, _CONTROL, name)
    return LabelledCheck(_labelling(settings, name, labeler, models))


def _labelling(
    settings: ServeSettings, name: str, labeler: Labeler, models: _LoadedModels
) -> "Labelling":
    from groundtune.feedback.conquer import Asking
    from groundtune.pipeline.feedback.claims import Labelling
    from groundtune.pipeline.models.prompt_sources import named_in, with_divider

    by = labeler.producer(Sampling(temperature=0), 0)
    by = by.model_copy(update={"sampling": None, "seed": None})
    divider, source = settings.divider, named_in(name)
    if divider == SELF and source is not None:
        divider = str(source.claim_settings.get("divider", SELF))
    if (source := with_divider(divider)) is not None:
        rules = Asking.model_validate(source.claim_settings.get("asking", {}))
        return Labelling(source.dividers[divider](), labeler, by, rules)
    model = labeler if divider in (SELF, name) else models.labeler(settings.of(divider))
    return Labelling(_instructed(model, settings.instruction), labeler, by)


def _instructed(model: Labeler, instruction: str) -> Divider:
    from groundtune.feedback.divide import InstructedDivider
    from groundtune.feedback.instructions import instruction_by_name

    return InstructedDivider(model, instruction_by_name(instruction, ("question", "answer")))
