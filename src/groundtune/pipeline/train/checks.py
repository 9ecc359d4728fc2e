"""Checks of a training run's settings, before it reads, plans or runs anything."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundtune.errors import UserError
from groundtune.methods.trial import refuse_wrong_hooks
from groundtune.pipeline.models.names import resolve
from groundtune.pipeline.train.settings import TrainingSettings, TrainSettings

if TYPE_CHECKING:
    from groundtune.train.data import EncodedPairs
    from groundtune.vlm.load import Vlm

log = logging.getLogger(__name__)

WHOLE = 0.99
"""Share of the decoder from which on an adapter counts as on all of it."""

CHECKED = 4
"""Prompts with which an untested family is checked."""


def check_settings(settings: TrainSettings, *, evaluates: bool = False) -> None:
    """Refuse settings that contradict each other or that this machine can't run.

    `evaluates` is whether the caller passes a function that scores the model during training.

    Raises:
        UserError: the device does not exist, 4-bit weights or flex attention have no accelerator, a
            tracker is not installed, settings of packed rows meet separate rows, images can't be
            kept, evaluations have no function, the model is an adapter, or a hook of another
            package's method is wrong.
    """
    from groundtune.train.precision import device_of
    from groundtune.train.trackers import check_tracker
    from groundtune.train.tune import check_quantisable

    refuse_wrong_hooks(settings.method)
    device = device_of(settings.device)
    if settings.tune.type == "qlora":
        check_quantisable(device.type)
    for name in settings.log_to:
        check_tracker(name)
    if settings.attention == "flex" and device.type != "cuda":
        raise UserError(
            f"attention=flex needs a CUDA device, and this device is {device.type}.",
            "attention",
            "Use attention=auto, which measures the fastest on this machine.",
        )
    if settings.engine == "separate" and (settings.attention != "auto" or settings.share_starts):
        raise UserError(
            "attention and share_starts need packed rows, but engine=separate has none.",
            "engine",
            "Remove them, or use engine=auto.",
        )
    if settings.keep_images and set(settings.tune.parts) != {"language_model"}:
        raise UserError(
            "Encoded images can't be kept if the tower or the projector is trained.",
            "keep_images",
            "Set keep_images=false, or train only the language model: tune.parts=[language_model].",
        )
    if settings.eval_every and not evaluates:
        raise UserError(
            "eval_every is set, but there is no evaluation.",
            "eval_every",
            "Remove it and score the result with groundtune bench run. From Python, call train() "
            "with evaluate=...",
        )
    folder = Path(resolve(settings.model))
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise adapter_error(settings.model)


def adapter_error(model: str) -> UserError:
    """Return the error for an adapter as the model to train."""
    return UserError(
        "The model is an adapter, and an adapter can't be trained on top of another.",
        model,
        "Run the earlier training with merge=true, and train its merged weights.",
    )


def check_reach(model: Any, settings: TrainingSettings) -> float:
    """Return the share of the decoder that is trained, and warn if an adapter reaches only a part.

    Raises:
        UserError: the model lacks a part, or a part has no linear layer to adapt.
    """
    from groundtune.train.tune import check_parts, reach

    check_parts(model, settings.tune)
    if "language_model" not in settings.tune.parts:
        return 0.0
    if settings.tune.type == "full":
        return 1.0
    tuned = reach(model, settings.tune)
    if tuned.share < WHOLE:
        log.warning(
            "The adapter reaches %.1f%% of the decoder's weights (embeddings and head aside); "
            "without one: %s.",
            100 * tuned.share,
            ", ".join(tuned.missed[:4]),
        )
    return tuned.share


def check_causal(vlm: "Vlm", pairs: "EncodedPairs") -> None:
    """Refuse a model of an untested family whose log-probabilities depend on later tokens.

    Raises:
        UserError: they do, or the model can't run an answer after its prompt.
    """
    from groundtune.engine.causality import needs_check, refuse_lookahead
    from groundtune.engine.rows import PromptRow

    if not needs_check(vlm):
        return
    firsts = [group[0] for group in pairs.groups[:CHECKED]]
    rows = [PromptRow(pairs.prompt(index), pairs.answers(index)) for index in firsts]
    if not any([refuse_lookahead(vlm, row) for row in rows]):
        log.warning("causality is not checked: the first answers have no text")
