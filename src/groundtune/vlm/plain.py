"""Unwrap a transformers model from its adapter and from distributed wrappers."""

import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any


def plain_model(model: Any) -> Any:
    """Return the transformers model inside an adapter and distributed wrappers, or itself."""
    from transformers import PreTrainedModel

    while not isinstance(model, PreTrainedModel):
        model = model.get_base_model() if _is_adapted(model) else model.module
    return model


def is_unsharded(model: Any) -> bool:
    """Return whether parts of the model may be called directly.

    FSDP and ZeRO gather a model's weights only in the outermost forward.
    """
    from torch.distributed.fsdp import FSDPModule
    from transformers import PreTrainedModel

    is_model = isinstance(model, PreTrainedModel) or _is_adapted(model)
    return is_model and not isinstance(model, FSDPModule)


@contextmanager
def adapting() -> Generator[None, None, None]:
    """Silence peft's warning about a name that transformers renamed, while it (un)wraps a model."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing")
        yield


def _is_adapted(model: Any) -> bool:
    peft = sys.modules.get("peft")  # if it isn't imported, no model has an adapter
    return peft is not None and isinstance(model, peft.PeftModel)
