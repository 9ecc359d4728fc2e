"""The extras of the package: what each enables, and which of their packages are installed."""

import re
from importlib.metadata import PackageNotFoundError, requires, version
from typing import NamedTuple

ENABLES: dict[str, str] = {
    "annotate": "the annotation app (groundtune annotate)",
    "documents": "PDF files in annotate and check",
    "postgres": "annotation projects in a PostgreSQL database",
    "serve": "the server (groundtune serve)",
    "hub": "data sets of the Hugging Face hub (import hub:NAME, recipes run)",
    "tables": "corrections and prompts in .xlsx files",
    "qlora": "training on a 4-bit base (tune.type=qlora)",
    "deepspeed": "ZeRO (zero=1, 2 or 3)",
    "ray": "stages on a Ray cluster (engine.type=ray)",
    "trackio": "metrics in Trackio (log_to)",
    "wandb": "metrics in Weights & Biases (log_to)",
    "tensorboard": "metrics in TensorBoard (log_to)",
    "mlflow": "metrics in MLflow (log_to)",
}
"""What a user gains; extras for the developers of Groundtune are not listed."""
UNLISTED = frozenset({"dev", "docs"})
_REQUIREMENT = re.compile(r"(?P<package>[A-Za-z0-9._-]+).*extra\s*==\s*['\"](?P<extra>[\w-]+)['\"]")


class Extra(NamedTuple):
    """An extra of the package."""

    name: str
    enables: str
    missing: tuple[str, ...]
    """Packages that are not installed; empty if the extra is."""


def extras() -> list[Extra]:
    """Return the extras for users, with the packages that they lack.

    The list is empty if Groundtune runs from a folder without being installed.
    """
    packages = packages_of_extras()
    return [
        Extra(name, text, tuple(each for each in packages[name] if not _is_installed(each)))
        for name, text in ENABLES.items()
        if name in packages
    ]


def packages_of_extras() -> dict[str, list[str]]:
    """Return the packages of each extra, from the installed package's metadata."""
    try:
        lines = requires("groundtune") or []
    except PackageNotFoundError:
        return {}
    packages: dict[str, list[str]] = {}
    for line in lines:
        if match := _REQUIREMENT.match(line):
            packages.setdefault(match["extra"], []).append(match["package"])
    return packages


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
