"""Whether a data set's licence forbids commercial use, by its name; licences of JSON files.

Parquet files that we write name their rows' licences in the metadata. JSON has no place for them,
so FILE.licences.json is written next to the file.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from groundtune.errors import UserError
from groundtune.store.files import write_atomic
from groundtune.store.json_writing import json_of
from groundtune.store.rows import Fields, json_file

_NON_COMMERCIAL = re.compile(r"(?<![a-z])(nc|non-?commercial)(?![a-z])", re.IGNORECASE)


def forbids_commercial_use(licence: str) -> bool:
    """Whether the licence's name says non-commercial: cc-by-nc-4.0, "non-commercial use only".

    False for an empty or unknown name, which permits nothing either: it is only unknown.
    """
    return _NON_COMMERCIAL.search(licence) is not None


def sidecar(rows: Path) -> str | None:
    """The licence in the file next to a file of rows; None if there is no such file.

    Raises:
        UserError: it can't be read.
    """
    path = _sidecar_path(rows)
    if not path.exists():
        return None
    fix = 'Write {"licences": ["..."]}, or remove the file and give --licence.'
    content = json_file(path, fix)
    licences = cast("Fields", content).get("licences") if isinstance(content, dict) else None
    names = cast("list[object]", licences) if isinstance(licences, list) else [None]
    if not all(isinstance(name, str) for name in names):
        raise UserError("The file is not a list of licences.", str(path), fix)
    return " AND ".join(filter(None, cast("list[str]", names)))


def write_sidecar(rows: Path, licences: Sequence[str]) -> None:
    """Write the licences next to a file of rows.

    Raises:
        UserError: the disk is full or the folder can't be written.
    """
    names = [name for name in licences if name]
    write_atomic(_sidecar_path(rows), json_of({"licences": names}).encode() + b"\n")


def _sidecar_path(rows: Path) -> Path:
    return rows.with_name(f"{rows.name}.licences.json")
