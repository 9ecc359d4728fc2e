"""Load a model's processor: its tokenizer, image processor and chat template."""

from contextlib import nullcontext
from importlib.util import find_spec
from typing import Any, cast

from huggingface_hub.errors import (
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    StrictDataclassError,
)
from safetensors import SafetensorError

from groundtune.errors import UserError
from groundtune.vlm.family import family_of_type
from groundtune.vlm.images_only import images_only

LOAD_ERRORS = (
    OSError,
    ValueError,
    LookupError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    TypeError,
    AttributeError,
    ImportError,
    SafetensorError,
    StrictDataclassError,
)
"""What transformers and peft raise on files that are missing, damaged or of the wrong kind."""


def load_processor(name: str, config: Any, options: dict[str, Any]) -> Any:
    """Return the processor of a model with this configuration, without its video part if need be.

    Raises:
        UserError: a package or a file is missing, the tokenizer is slow, or there is no chat
            template.
    """
    import transformers

    _check_packages(name, config.model_type)

    auto: Any = transformers.AutoProcessor
    try:
        with nullcontext() if find_spec("torchvision") else images_only():
            processor = auto.from_pretrained(name, **options)
    except LOAD_ERRORS as error:
        raise cannot_load("processor", name, error) from error
    except Exception as error:
        if type(error) is not Exception:  # the package tokenizers has no class of its own
            raise
        raise cannot_load("tokenizer", name, error) from error
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None or getattr(processor, "image_processor", None) is None:
        raise UserError(
            "The processor has no tokenizer or no image processor.",
            name,
            "Save the model's processor in the same folder.",
        )
    if not tokenizer.is_fast:
        raise UserError(
            "The tokenizer has no fast version, which is needed for the characters of each token.",
            name,
            "Save a tokenizer.json in the model's folder.",
        )
    try:
        tokenizer.encode("a")  # settings of wrong types are noticed only here
    except LOAD_ERRORS as error:
        raise cannot_load("tokenizer", name, error) from error
    if not getattr(processor, "chat_template", None):  # some processors ignore theirs
        files, _ = cast(Any, type(processor)).get_processor_dict(name, **options)
        processor.chat_template = files.get("chat_template")
    if not processor.chat_template:
        raise UserError(
            "The processor has no chat template.",
            name,
            "Add a chat_template.jinja to the model's folder.",
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    tokenizer.padding_side = "left"
    return processor


def _check_packages(name: str, model_type: str) -> None:
    family = family_of_type(model_type)
    if missing := [each for each in family.packages if find_spec(each) is None]:
        raise UserError(
            f"The processor of {family.name} needs {' and '.join(missing)}.",
            name,
            f"Run pip install {' '.join(missing)}.",
        )


def _is_unreachable(error: BaseException | None) -> bool:
    """Whether an error is one of the hub's that there is no connection, or was raised from one."""
    if error is None or isinstance(error, LocalEntryNotFoundError | OfflineModeIsEnabled):
        return error is not None
    return _is_unreachable(error.__cause__)


def cannot_load(what: str, name: str, error: Exception) -> UserError:
    """Return the error of a part of a model that transformers can't load."""
    if _is_unreachable(error):
        return UserError(
            "The hub can't be reached, and the model is not in the cache.",
            name,
            "Connect, unset HF_HUB_OFFLINE, or name a folder that has the model's files.",
        )
    fix = "Check the name; the folder or repository needs config.json, *.safetensors and processor."
    if what == "processor" and find_spec("torchvision") is None:
        fix += " Processors that also read videos need torchvision: pip install torchvision."
    return UserError(f"The model's {what} can't be loaded: {first_line(error)}", name, fix)


def first_line(error: Exception) -> str:
    """Return the first line of an error's message that has text, and the next after a colon."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
