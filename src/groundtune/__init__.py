"""Groundtune makes a vision-language model stop saying things that are not in the picture.

The names below are loaded when they are first used, so that `import groundtune` costs no torch.
"""

import importlib

__version__ = "0.1.0"

_EXPORTS: dict[str, str] = {
    "UserError": "groundtune.errors",
}
"""Public name -> module that defines it."""

__all__ = ["UserError", "__version__"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'groundtune' has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
