"""`run.json`: what a run was made with, so that it can be made again."""

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from groundtune.errors import UserError
from groundtune.records import Record
from groundtune.store.sealed import read_sealed, write_sealed

PACKAGES = (
    "groundtune",
    "torch",
    "transformers",
    "tokenizers",
    "peft",
    "accelerate",
    "safetensors",
    "pyarrow",
    "pydantic",
    "pillow",
    "numpy",
)
"""Packages whose versions a run names."""


class RunRecord(Record):
    """What a run's folder was made with."""

    recipe: dict[str, Any]
    """The resolved settings."""
    inputs: dict[str, str]
    """Hash or revision of each thing that went in, by name."""
    seeds: dict[str, int]
    command: tuple[str, ...]
    versions: dict[str, str]
    """Python and the packages; a package that isn't installed is absent."""
    started: str
    """UTC, ISO 8601."""
    notes: dict[str, Any] = Field(default_factory=dict[str, Any])
    """What was measured and decided on the way, by name."""


def versions() -> dict[str, str]:
    """Versions of Python and of PACKAGES; reads metadata only and imports none of them."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def write_run(
    path: Path,
    recipe: dict[str, Any],
    inputs: dict[str, str],
    seeds: dict[str, int],
    command: list[str],
    notes: dict[str, Any] | None = None,
) -> Path:
    """Writes `path`/run.json, whole or not at all, and returns its path.

    Raises:
        UserError: the disk is full or the folder can't be written.
    """
    run = RunRecord(
        recipe=recipe,
        inputs=inputs,
        seeds=seeds,
        command=tuple(command),
        versions=versions(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        notes=notes or {},
    )
    file = path / "run.json"
    write_sealed(file, run)
    return file


def note_run(path: Path, name: str, value: Any) -> None:
    """Adds a note to `path`/run.json.

    Raises:
        UserError: there is none, or it can't be written.
    """
    run = read_run(path)
    noted = run.model_copy(update={"notes": {**run.notes, name: value}})
    write_sealed(path / "run.json", noted)


def read_run(path: Path) -> RunRecord:
    """The `run.json` of a run's folder.

    Raises:
        UserError: there is none, it is damaged, or it is not one of ours.
    """
    file = path / "run.json"
    try:
        return read_sealed(file, RunRecord)
    except FileNotFoundError as error:
        raise UserError(
            "There is no run.json.", str(file), "Use the --out folder of a groundtune command."
        ) from error
    except ValidationError as error:
        raise UserError(
            "The file is not a run.json of this version.", str(file), "Run the stage again."
        ) from error
