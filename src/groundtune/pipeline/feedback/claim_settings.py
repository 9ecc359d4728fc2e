"""What the user says of feedback by claims, and the divider and labeler that follow from it.

Torch-free until a model is opened.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

from pydantic import Field

from groundtune.errors import UserError
from groundtune.feedback.conquer import Asking
from groundtune.feedback.divide import SAMPLING as DIVIDING
from groundtune.feedback.divide import InstructedDivider, SentenceDivider, WholeAnswer
from groundtune.feedback.instructions import Instruction, instruction_by_name, shipped_instruction
from groundtune.feedback.questions import InstructedQuestions, Verbatim
from groundtune.pipeline.feedback.annotation_labeler import GREEDY as READING
from groundtune.pipeline.feedback.claims import Labelling
from groundtune.pipeline.feedback.oracles import ANNOTATIONS, is_oracle, open_oracle
from groundtune.pipeline.feedback.wrong_words import finds_words, open_words
from groundtune.pipeline.models.generators import close, open_generator
from groundtune.pipeline.models.names import Labeler, is_endpoint, no_question
from groundtune.pipeline.models.prompt_sources import named_in, source_of, with_divider
from groundtune.pipeline.models.settings import InferenceSettings, ModelSettings
from groundtune.pipeline.models.workers.local import LocalWorkers, open_workers
from groundtune.pipeline.runs.folder import RunFolder, read_some
from groundtune.protocols import Divider, YesNo
from groundtune.records import Answer, Prompt, Sampling

SELF = "self"
WHOLE = "whole"
SENTENCES = "sentences"


class ClaimSettings(InferenceSettings):
    """Who divides the answers into claims, and who is asked about them."""

    labeler: str = SELF
    """Who answers the questions: a model's folder or name, world:labeler, openai:MODEL@URL, "self",
    the model that gave the answers, world:truth, the truth about the embedded world,
    annotations:PATH, people's annotations, or detector:MODEL, an object detector. The folder of a
    token-level reward model marks wrong words instead: nothing divides or asks."""
    reader: str = ""
    """The model of text that reads annotations; "" reads them by rules, which know classes
    alone."""
    divider: str = SELF
    """Who divides: a model as above, "self", the rules of a prompt source (world, or world-setting,
    which asks about place and background too), "sentences", each of which is a claim, as in HA-DPO,
    or "whole": one question about the whole answer, RLAIF-V's ablation."""
    questions: Literal["joint", "apart", "verbatim"] = "joint"
    """How a model makes questions: in the same call as the claims, in a second one as published, or
    not at all: the claim itself is asked about. Rules make their own."""
    instruction: str = ""
    """The instruction of a model that divides, instead of the usual: split-1, which a custom
    splitter has learnt with, or a file with the places ${question} and ${answer}."""
    max_reply_tokens: int = Field(default=DIVIDING.max_new_tokens, ge=1)
    """Longest reply of a model that divides, reads annotations, corrects or extends. A longer one
    is truncated and counts as unread. Lower it where a server's context is shorter, and for small
    models, whose replies may never end."""
    asking: Asking = Asking()
    batch_size: int = Field(default=64, ge=1)
    """Questions: short ones, so more at once than of whole answers."""


def with_self(feedback: ClaimSettings, model: str) -> ClaimSettings:
    """Return the settings with the model's name in place of self."""
    names = {role: getattr(feedback, role) for role in ("labeler", "reader", "divider")}
    return feedback.model_copy(update={role: model for role, name in names.items() if name == SELF})


def base_settings(folder: RunFolder, labeler: str = "") -> Mapping[str, Any]:
    """Return the defaults in a folder: those of the prompt source that all its prompts are from.

    Without one, those of the source that the labeler comes with, which understands no other
    questions.

    Raises:
        UserError: there are no prompts.
    """
    source = source_of(read_some(folder.prompts))
    return source.claim_settings if source else labeler_settings(labeler)


def labeler_settings(labeler: str) -> Mapping[str, Any]:
    """Return the defaults of the prompt source that a labeler comes with; {} if it has none."""
    source = named_in(labeler)
    return source.claim_settings if source else {}


@contextmanager
def open_labelling(
    settings: ClaimSettings,
    folder: RunFolder,
    shared: dict[str, Labeler] | None = None,
    *,
    answered: bool = True,
) -> Generator[Labelling, None, None]:
    """The divider and the labeler that the settings name, over a folder's images.

    A model that is both is loaded once, or once by each worker; one that `shared` has, by name, is
    used, and others are put there for the caller to close. The labeler is asked a control
    question first. Endpoints are closed at the end of the `with` block. Rules divide in this
    process, with any workers. Without `answered` the folder needs no answers yet; then nobody may
    be "self".

    Raises:
        UserError: a model can't be loaded or reached, "self" is several models, or the labeler
            doesn't answer yes or no.
    """
    from groundtune.generate.yes_no import check_labeler

    if finds_words(settings.labeler):
        words = open_words(settings.labeler, folder.images, settings.device, settings.dtype)
        yield Labelling(divider=words, labeler=words, by=words.producer(), asking=settings.asking)
        return
    prompts = read_some(folder.prompts)
    answers = read_some(folder.answers) if answered else []
    control = partial(check_labeler, image=first_image(prompts), name=settings.labeler)
    labelers: dict[str, Labeler] = {} if shared is None else shared
    with open_workers(settings.engine) as workers:
        try:
            if is_oracle(settings.labeler):
                labeler: YesNo = open_oracle(
                    settings.labeler,
                    folder.images,
                    prompts,
                    device=settings.device,
                    reader=partial(_reader, settings, folder, answers, labelers),
                    reading=shortened(READING, settings),
                )
                by = labeler.producer()
            else:
                labeler = _model(settings.labeler, settings, folder, answers, labelers, control)
                by = labeler.producer(Sampling(temperature=0), 0)
            divider = open_divider(settings, folder, answers, labelers)
            yield Labelling(
                divider=divider,
                labeler=labeler,
                by=by.model_copy(update={"sampling": None, "seed": None}),
                asking=settings.asking,
                dividing=LocalWorkers() if by_rules(settings.divider) else workers,
                checking=workers,
            )
        finally:
            close(labelers.values() if shared is None else ())


def models_here(settings: ClaimSettings) -> dict[str, str]:
    """Return the models that `open_labelling` loads into this process, by name: what each does.

    A model that does several things has the first of labeler, reader and divider. Detectors and
    token-level reward models, which load otherwise, are left out.
    """
    if finds_words(settings.labeler) or settings.engine.type != "local":
        return {}
    roles: dict[str, str] = {}
    if not is_oracle(settings.labeler):
        roles[settings.labeler] = "labeler"
    elif settings.labeler.startswith(ANNOTATIONS) and settings.reader:
        roles[settings.reader] = "reader"
    if not by_rules(settings.divider):
        roles.setdefault(settings.divider, "divider")
    return {name: role for name, role in roles.items() if not is_endpoint(name)}


def by_rules(divider: str) -> bool:
    """Whether rules divide the answers, and no model is loaded for that."""
    return divider in (WHOLE, SENTENCES) or with_divider(divider) is not None


def open_divider(
    settings: ClaimSettings,
    folder: RunFolder,
    answers: Sequence[Answer],
    labelers: dict[str, Labeler],
) -> Divider:
    """Return the divider of the settings; a model is put into `labelers`, for the caller to close.

    Raises:
        UserError: a model can't be loaded or reached, or "self" is several models.
    """
    if settings.divider == WHOLE:
        return WholeAnswer(shipped_instruction("whole-1"))
    if settings.divider == SENTENCES:
        return SentenceDivider()
    if (source := with_divider(settings.divider)) is not None:
        return source.dividers[settings.divider]()
    model = _model(settings.divider, settings, folder, answers, labelers)
    asks_too = settings.questions == "joint"
    sampling = shortened(DIVIDING, settings)
    divider = InstructedDivider(
        model, _instruction(settings), with_questions=asks_too, sampling=sampling
    )
    if settings.questions == "apart":
        return InstructedQuestions(divider, model, shipped_instruction("ask-1"), sampling=sampling)
    return divider if asks_too else Verbatim(divider)


def shortened(sampling: Sampling, settings: ClaimSettings) -> Sampling:
    """Return the same sampling with replies no longer than the settings allow."""
    most = min(sampling.max_new_tokens, settings.max_reply_tokens)
    return sampling.model_copy(update={"max_new_tokens": most})


def _instruction(settings: ClaimSettings) -> Instruction:
    if settings.instruction:
        return instruction_by_name(settings.instruction, ("question", "answer"))
    return shipped_instruction("divide-and-ask-1" if settings.questions == "joint" else "divide-1")


def _model(
    name: str,
    settings: ClaimSettings,
    folder: RunFolder,
    answers: Sequence[Answer],
    labelers: dict[str, Labeler],
    ready: Callable[[Labeler], object] = no_question,
) -> Labeler:
    is_author = name == SELF
    name = author_of(answers, folder) if is_author else name
    if name not in labelers:
        model = settings.part(ModelSettings, model=name)
        labelers[name] = open_generator(model, folder.images, ready)
    if is_author:
        check_author(answers, labelers[name], name)
    return labelers[name]


def author_of(answers: Sequence[Answer], folder: RunFolder) -> str:
    """Return the name of the one model that gave the answers.

    Raises:
        UserError: there are several.
    """
    names = {answer.producer.name for answer in answers if answer.producer.kind == "model"}
    if len(names) != 1:
        raise UserError(
            f"The answers come from {len(names)} models, so self is ambiguous.",
            str(folder.answers.path),
            "Name the model: labeler=NAME, divider=NAME.",
        )
    return names.pop()


def check_author(answers: Sequence[Answer], model: Labeler, name: str) -> None:
    """Raise UserError if other weights answered under this name: another revision, for example."""
    now = model.producer(Sampling(temperature=0), 0).revision
    by_models = (answer.producer for answer in answers if answer.producer.kind == "model")
    then = {producer.revision for producer in by_models} - {""}
    if now and then - {now}:
        raise UserError(
            f"{name} has different weights from the model that gave the answers.",
            name,
            "Name a folder instead of self: with the adapter merged into the model, or with the "
            "revision that answered.",
        )


def _reader(
    settings: ClaimSettings,
    folder: RunFolder,
    answers: Sequence[Answer],
    labelers: dict[str, Labeler],
) -> Labeler | None:
    if not settings.reader:
        return None
    return _model(settings.reader, settings, folder, answers, labelers)


def first_image(prompts: Sequence[Prompt]) -> str:
    """Return an image that a labeler can be asked about; none if no prompt has one."""
    return next((image for prompt in prompts for image in prompt.images), "")
