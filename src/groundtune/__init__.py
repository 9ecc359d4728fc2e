"""Groundtune makes a vision-language model stop saying things that are not in the image.

The names below are loaded when they are first used, so that `import groundtune` costs no torch.
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from groundtune.errors import UserError
    from groundtune.pipeline.annotate.api import AnnotationProject
    from groundtune.pipeline.api import Run, compare, load
    from groundtune.pipeline.world.api import demo
    from groundtune.protocols import Annotator, Comparer, Generator, Judge, Progress, YesNo
    from groundtune.records import (
        Answer,
        Claim,
        Comparison,
        Correction,
        Difference,
        Estimate,
        ImagePart,
        Message,
        Missing,
        Pair,
        Producer,
        Prompt,
        Sampling,
        Score,
        Source,
        Span,
        TextPart,
    )

_NAMES: dict[str, tuple[str, ...]] = {
    "groundtune.errors": ("UserError",),
    "groundtune.pipeline.annotate.api": ("AnnotationProject",),
    "groundtune.pipeline.api": ("Run", "compare", "load"),
    "groundtune.pipeline.world.api": ("demo",),
    "groundtune.protocols": (
        "Annotator",
        "Comparer",
        "Generator",
        "Judge",
        "Progress",
        "YesNo",
    ),
    "groundtune.records": (
        "Answer",
        "Claim",
        "Comparison",
        "Correction",
        "Difference",
        "Estimate",
        "ImagePart",
        "Message",
        "Missing",
        "Pair",
        "Producer",
        "Prompt",
        "Sampling",
        "Score",
        "Source",
        "Span",
        "TextPart",
    ),
}
_EXPORTS = {name: module for module, names in _NAMES.items() for name in names}
"""Public name -> module that defines it."""

__all__ = [
    "AnnotationProject",
    "Annotator",
    "Answer",
    "Claim",
    "Comparer",
    "Comparison",
    "Correction",
    "Difference",
    "Estimate",
    "Generator",
    "ImagePart",
    "Judge",
    "Message",
    "Missing",
    "Pair",
    "Producer",
    "Progress",
    "Prompt",
    "Run",
    "Sampling",
    "Score",
    "Source",
    "Span",
    "TextPart",
    "UserError",
    "YesNo",
    "__version__",
    "compare",
    "demo",
    "load",
]


def __getattr__(name: str) -> object:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'groundtune' has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
