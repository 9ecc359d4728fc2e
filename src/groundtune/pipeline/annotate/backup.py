"""A project as one file, and back.

The file is a ZIP archive with backup.json (what it holds, with sums), the database as SQLite, the
project's own guidelines, and the images by their sha256. Scaled images are made again when needed.
A backup may be made while people annotate.
"""

import hashlib
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal
from zlib import error as ZlibError

from pydantic import Field, ValidationError

from groundtune.errors import UserError
from groundtune.pipeline.annotate.project import GUIDELINES, Project, existing_project
from groundtune.pipeline.runs.folder import DATABASE
from groundtune.records import Record
from groundtune.store.annotations.copying import copy_database
from groundtune.store.annotations.database import open_database
from groundtune.store.files import whole_file, write_atomic
from groundtune.store.images import ImageStore
from groundtune.store.json_writing import json_of
from groundtune.store.lock import one_writer

MANIFEST = "backup.json"
_LARGEST_MANIFEST = 64 * 2**20
_DAMAGED = (zipfile.BadZipFile, ZlibError, EOFError, OSError, NotImplementedError, KeyError)


class Manifest(Record):
    """What a backup holds."""

    format: Literal["groundtune annotation project"] = "groundtune annotation project"
    groundtune: str = version("groundtune")
    """The version that made it."""
    items: int
    events: int
    files: dict[str, str] = Field(default_factory=dict[str, str])
    """The sha256 of each file, by its name in the archive."""


@one_writer(is_file=True)
def back_up(project: Project, out: Path) -> Manifest:
    """Write a project to a file, completely or not at all.

    Raises:
        UserError: the file is there already, the disk is full, or an image is missing.
    """
    if out.exists():
        raise UserError("The file is there already.", str(out), "Choose another name.")
    with TemporaryDirectory(prefix="groundtune-") as folder:
        copy = open_database(Path(folder) / DATABASE)
        events = copy_database(project.database, copy)
        items, images = project.contents(copy)
        copy.close()
        database = (Path(folder) / DATABASE).read_bytes()
    files = {DATABASE: database}
    if (guidelines := project.own_guidelines) is not None:
        files[GUIDELINES] = guidelines.encode()
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    sums |= {f"images/{sha256}": sha256 for sha256 in images}
    manifest = Manifest(items=items, events=events, files=sums)
    with whole_file(out) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, json_of(manifest, indent=1))
        for name, data in files.items():
            archive.writestr(name, data)
        for sha256 in images:
            entry = zipfile.ZipInfo(f"images/{sha256}")  # compressed already
            archive.writestr(entry, project.images.read(sha256))
    return manifest


def restore(backup: Path, target: Path) -> Manifest:
    """Make the project of a backup in a new folder, completely or not at all.

    Raises:
        UserError: the folder isn't empty; the file isn't a backup, is damaged, holds anything
            else, or was made by a newer version.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(
            "The folder isn't empty, and a project is never overwritten.",
            str(target),
            "Choose a new folder.",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".restore-", dir=target.parent) as folder:
        project = Path(folder) / "project"
        project.mkdir()
        manifest = _unpack(backup, project)
        _check(project, backup, manifest)
        if target.exists():
            target.rmdir()
        project.rename(target)
    return manifest


def _unpack(backup: Path, folder: Path) -> Manifest:
    if not backup.is_file():
        raise UserError("The file doesn't exist.", str(backup), "Check the path.")
    images = ImageStore(folder / "images")
    try:
        with zipfile.ZipFile(backup) as archive:
            manifest = _manifest(archive, backup)
            for name, data in _files(archive, manifest, backup):
                path = images.path(manifest.files[name]) if "/" in name else folder / name
                write_atomic(path, data, durable=False)
    except _DAMAGED as error:
        raise _no_backup(backup, f"it can't be unpacked: {error}") from error
    return manifest


def _manifest(archive: zipfile.ZipFile, backup: Path) -> Manifest:
    names = archive.namelist()
    if MANIFEST not in names or archive.getinfo(MANIFEST).file_size > _LARGEST_MANIFEST:
        raise _no_backup(backup, f"it has no {MANIFEST}")
    try:
        manifest = Manifest.model_validate_json(archive.read(MANIFEST))
    except ValidationError as error:
        raise _no_backup(backup, f"its {MANIFEST} can't be read") from error
    allowed = {DATABASE, GUIDELINES, *(f"images/{each}" for each in manifest.files.values())}
    if sorted(names) != sorted({*manifest.files, MANIFEST}) or set(manifest.files) - allowed:
        raise _no_backup(backup, f"it holds other files than its {MANIFEST} says")
    return manifest


def _files(
    archive: zipfile.ZipFile, manifest: Manifest, backup: Path
) -> Iterator[tuple[str, bytes]]:
    for name, sha256 in manifest.files.items():
        data = archive.read(name)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise _no_backup(backup, f"{name} is damaged")
        yield name, data


def _check(folder: Path, backup: Path, manifest: Manifest) -> None:
    """The database opens, is of this version or an older one, and has all items and images."""
    project = existing_project(folder)
    try:
        items, images = project.contents(project.database)
    finally:
        project.close()
    missing = [each for each in images if f"images/{each}" not in manifest.files]
    if items != manifest.items or missing:
        raise _no_backup(backup, "items or images are missing")


def _no_backup(backup: Path, why: str) -> UserError:
    return UserError(
        f"The file is not a backup of a project, or it is damaged: {why}.",
        str(backup),
        "Use a file that `groundtune project backup` wrote.",
    )
