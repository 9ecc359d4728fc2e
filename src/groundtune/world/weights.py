"""Paths of the world's shipped models: Hugging Face folders with weights and processor."""

from importlib import resources
from pathlib import Path

from groundtune.errors import UserError

NAMES: tuple[str, ...] = ("base", "labeler", "yes-biased")
DETECTOR = "detector"
"""An object detector: it finds objects, and answers no question."""


def path(name: str) -> Path:
    """The folder of a shipped model. Raises UserError for an unknown name."""
    folder = Path(str(resources.files("groundtune.world").joinpath("weights", name)))
    if name not in (*NAMES, DETECTOR) or not (folder / "config.json").exists():
        raise UserError(
            f"The world has no model {name!r}.",
            f"world:{name}",
            f"Use one of {', '.join(f'world:{shipped_name}' for shipped_name in NAMES)}.",
        )
    return folder
