"""The transformers model inside an adapter and inside what spreads it over devices."""

import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any


def plain_model(model: Any) -> Any:
    """The transformers model inside an adapter and what spreads it over devices, or itself."""
    from transformers import PreTrainedModel

    while not isinstance(model, PreTrainedModel):
        model = model.get_base_model() if _is_adapted(model) else model.module
    return model


def is_unsharded(model: Any) -> bool:
    """Whether parts of the model may be called by themselves.

    What spreads a model over devices (FSDP, ZeRO) gathers weights in the outermost forward only.
    """
    from torch.distributed.fsdp import FSDPModule
    from transformers import PreTrainedModel

    known = isinstance(model, PreTrainedModel) or _is_adapted(model)
    return known and not isinstance(model, FSDPModule)


@contextmanager
def adapting() -> Generator[None, None, None]:
    """While peft wraps a model, or unwraps it: it asks for a name that transformers has renamed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing")
        yield


def _is_adapted(model: Any) -> bool:
    peft = sys.modules.get("peft")  # where it wasn't imported, nothing is adapted
    return peft is not None and isinstance(model, peft.PeftModel)
