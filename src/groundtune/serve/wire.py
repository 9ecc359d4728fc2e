"""From names of models to a running server."""

import socket
from typing import TYPE_CHECKING, Self

from PIL import Image
from pydantic import Field, model_validator

from groundtune.errors import UserError
from groundtune.hosts import is_this_machine
from groundtune.pipeline.model_settings import LabelledModel, ModelSettings
from groundtune.pipeline.models import Labeler, is_endpoint, load_vlm, open_endpoint, refuse_same
from groundtune.protocols import Divider, Progress
from groundtune.records import Sampling
from groundtune.serve.limits import Limits

if TYPE_CHECKING:
    from groundtune.pipeline.feedback.claims import Labelling
    from groundtune.serve.backend import Backend, ClaimCheck
    from groundtune.serve.images import LentImages
    from groundtune.serve.service import RewarderOf, Service
    from groundtune.serve.thread import ModelThread
    from groundtune.vlm.load import Vlm

SELF = "self"
_CONTROL = "control"
"""Stands for a sha256: the image of the labeler's control question."""


class ServeSettings(LabelledModel):
    """Which models are served, and within which bounds."""

    reference: str = ""
    """The model from before the training: gives self_feedback."""
    tuned: str = SELF
    """Whose reward chooses among candidates: "self", or another tuned model with this reference, as
    for an upstream server's answers."""
    beta: float = Field(default=0.1, gt=0)
    """DPO's beta (RLAIF-V's, arXiv 2405.17220): scales r, which changes no choice."""
    labeler: str = ""
    """Who checks claims: "self", or a model as above: gives check."""
    divider: str = SELF
    """Who divides answers into claims: "self" is the labeler, "world" the rules of that prompt
    source (also where the labeler is world:...), or a model as above."""
    instruction: str = "divide-and-ask-1"
    """What a model that divides is told: a shipped instruction (split-1 for a splitter of one's
    own), or a file with the places ${question} and ${answer}."""
    gather_seconds: float = Field(default=0.005, ge=0)
    """How long a batch of answers waits for requests before it begins."""
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
    """The socket that the server accepts on.

    Raises:
        UserError: another than this machine's own address without a token, or it can't be had.
    """
    if not is_this_machine(host) and not token:
        raise UserError(
            "Anybody who reaches this address could use the server.",
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
            "Stop what listens there, or choose another --port (0 takes any).",
        ) from error


def open_service(settings: ServeSettings, progress: Progress) -> "Service":
    """Loads the models; those that are named twice are loaded once.

    Raises:
        UserError: a model can't be loaded or reached, or a labeler doesn't answer yes and no.
    """
    from groundtune.serve.images import LentImages
    from groundtune.serve.service import Service
    from groundtune.serve.thread import ModelThread

    images, thread = LentImages(), ModelThread()
    opened = _Opened(images, progress)
    return Service(
        model=settings.label or _own_name(settings.model),
        backend=_backend(settings, opened, thread),
        images=images,
        thread=thread,
        limits=settings.limits,
        batch_size=settings.batch_size,
        rewarders=_rewarders(settings, opened) if settings.reference else None,
        check=_check(settings, opened) if settings.labeler else None,
    )


class _Opened:
    """The models that were loaded so far; the same weights are loaded once."""

    def __init__(self, images: "LentImages", progress: Progress) -> None:
        self.images = images
        self._progress = progress
        self._vlms: dict[tuple[str, str, str], Vlm] = {}

    def vlm(self, model: ModelSettings) -> "Vlm":
        """Load a model in this process."""
        if is_endpoint(model.model):
            raise UserError(
                "An endpoint can't give this: its log-probabilities are needed token by token.",
                model.model,
                "Name a model's folder, or one on the hub.",
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


def _own_name(model: str) -> str:
    from groundtune.generate.endpoint import parse_endpoint

    return parse_endpoint(model).model if is_endpoint(model) else model


def _backend(settings: ServeSettings, opened: _Opened, thread: "ModelThread") -> "Backend":
    if is_endpoint(settings.model):
        from groundtune.generate.endpoint import parse_endpoint
        from groundtune.serve.upstream import UpstreamBackend

        limits = settings.limits
        bounds = {"timeout_s": limits.seconds, "concurrency": limits.running}
        return UpstreamBackend(parse_endpoint(settings.model).model_copy(update=bounds))
    from groundtune.serve.local import LocalBackend
    from groundtune.serve.speaker import VlmSpeaker

    size = settings.batch_size
    speaker = VlmSpeaker(opened.vlm(settings), opened.images, size)
    return LocalBackend(speaker, thread, batch_size=size, gather_s=settings.gather_seconds)


def _rewarders(settings: ServeSettings, opened: _Opened) -> "RewarderOf":
    from groundtune.generate.own_reward import OwnReward

    tuned_model, reference_model = settings.role(settings.tuned), settings.of(settings.reference)
    tuned = opened.vlm(tuned_model)
    refuse_same(tuned_model, reference_model)
    reference = opened.vlm(reference_model)

    def reward_with(normalise: float) -> OwnReward:
        return OwnReward(
            tuned,
            reference,
            opened.images,
            beta=settings.beta,
            normalise=normalise,
            at_once=settings.batch_size,
        )

    return reward_with


def _check(settings: ServeSettings, opened: _Opened) -> "ClaimCheck":
    from groundtune.generate.yes_no import check_labeler
    from groundtune.serve.check import LabelledCheck
    from groundtune.serve.images import RequestImage

    model = settings.role(settings.labeler)
    labeler, name = opened.labeler(model), model.model
    blank = RequestImage(_CONTROL, Image.new("RGB", (64, 64), "white"))
    with opened.images.lend([blank]):
        check_labeler(labeler, _CONTROL, name)
    return LabelledCheck(_labelling(settings, name, labeler, opened))


def _labelling(
    settings: ServeSettings, name: str, labeler: Labeler, opened: _Opened
) -> "Labelling":
    from groundtune.feedback.conquer import Asking
    from groundtune.pipeline.feedback.claims import Labelling
    from groundtune.pipeline.prompt_sources import named_in, with_divider

    by = labeler.producer(Sampling(temperature=0), 0)
    by = by.model_copy(update={"sampling": None, "seed": None})
    divider, source = settings.divider, named_in(name)
    if divider == SELF and source is not None:
        divider = str(source.claim_settings.get("divider", SELF))
    if (source := with_divider(divider)) is not None:
        asking = Asking.model_validate(source.claim_settings.get("asking", {}))
        return Labelling(source.dividers[divider](), labeler, by, asking)
    model = labeler if divider in (SELF, name) else opened.labeler(settings.of(divider))
    return Labelling(_instructed(model, settings.instruction), labeler, by)


def _instructed(model: Labeler, instruction: str) -> Divider:
    from groundtune.feedback.divide import InstructedDivider
    from groundtune.feedback.instructions import instruction_by_name

    return InstructedDivider(model, instruction_by_name(instruction, ("question", "answer")))
