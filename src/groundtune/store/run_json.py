"""`run.json`: how a run was made, so that it can be reproduced."""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
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
"""Packages whose versions a run records."""


class RunRecord(Record):
    """How a run's folder was made."""

    recipe: dict[str, Any]
    """The resolved settings."""
    inputs: dict[str, str]
    """Hash or revision of each input, by name."""
    seeds: dict[str, int]
    command: tuple[str, ...]
    versions: dict[str, str]
    """Python and the packages; a package that isn't installed is absent."""
    started: str
    """UTC, ISO 8601."""
    notes: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Measurements and decisions of the run, by name."""


def versions() -> dict[str, str]:
    """Versions of Python and of PACKAGES; reads metadata only and imports none of them.

    They are read once in a process: its imported packages stay what they are.
    """
    return dict(_versions())


@cache
def _versions() -> Mapping[str, str]:
    versions_ = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions_[package] = version(package)
        except PackageNotFoundError:
            continue
    return MappingProxyType(versions_)


def write_run(
    path: Path,
    recipe: dict[str, Any],
    inputs: dict[str, str],
    seeds: dict[str, int],
    command: list[str],
    notes: dict[str, Any] | None = None,
) -> Path:
    """Write `path`/run.json, completely or not at all, and return its path.

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
    """Add a note to `path`/run.json.

    Raises:
        UserError: the file is missing or can't be written.
    """
    run = read_run(path)
    updated_run = run.model_copy(update={"notes": {**run.notes, name: value}})
    write_sealed(path / "run.json", updated_run)


def read_run(path: Path) -> RunRecord:
    """The `run.json` of a run's folder.

    Raises:
        UserError: the file is missing, damaged, or not a run.json of this version.
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
