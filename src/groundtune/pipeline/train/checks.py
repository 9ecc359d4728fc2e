"""What of a training's settings can't be, told before anything is read, run or planned."""

from pathlib import Path

from groundtune.errors import UserError
from groundtune.pipeline.models import resolve
from groundtune.pipeline.train.settings import TrainParams


def check_settings(params: TrainParams, *, evaluates: bool = False) -> None:
    """Refuses settings that this machine or their own combination rules out.

    `evaluates` is whether the caller gives something that scores the model in training.

    Raises:
        UserError: no such device, weights in 4 bits or an attention without an accelerator, a
            tracker that isn't installed, settings of rows that aren't packed, images that can't be
            kept, evaluations without anything that evaluates, or an adapter as the model.
    """
    from groundtune.train.precision import device_of
    from groundtune.train.trackers import check_tracker
    from groundtune.train.tune import check_quantisable

    device = device_of(params.device)
    if params.tune.type == "qlora":
        check_quantisable(device.type)
    for name in params.log_to:
        check_tracker(name)
    if params.attention == "flex" and device.type != "cuda":
        raise UserError(
            f"attention=flex needs a CUDA device, and this is {device.type}.",
            "attention",
            "Use attention=auto, which measures what is fastest here.",
        )
    if params.engine == "separate" and (params.attention != "auto" or params.share_starts):
        raise UserError(
            "attention and share_starts are settings of packed rows, and engine=separate has none.",
            "engine",
            "Leave them out, or use engine=auto.",
        )
    if params.keep_images and set(params.tune.parts) != {"language_model"}:
        raise UserError(
            "Encoded images can't be kept where tower or projector is trained.",
            "keep_images",
            "Leave it off, or train the language model alone: tune.parts=[language_model].",
        )
    if params.eval_every and not evaluates:
        raise UserError(
            "eval_every is set, and nothing evaluates.",
            "eval_every",
            "Leave it out and score the result: groundtune bench run. From Python, call train() "
            "with evaluate=...",
        )
    folder = Path(resolve(params.model))
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise adapter_error(params.model)


def adapter_error(model: str) -> UserError:
    """What is said where the model to train is an adapter."""
    return UserError(
        "The model is an adapter; a second one on it could not be loaded by itself.",
        model,
        "Train on the merged weights: the run before with merge=true.",
    )
