"""What a data set's licence forbids, as far as its name tells; licences of files of JSON.

Parquet files of ours name their rows' licences in the metadata. Beside a file of JSON, which has no
place for them, lies FILE.licences.json.
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

    False for an empty or unknown name, which permits nothing either: it only says nothing.
    """
    return _NON_COMMERCIAL.search(licence) is not None


def sidecar(rows: Path) -> str | None:
    """The licence that the file beside a file of rows names; None if there is no such file.

    Raises:
        UserError: it can't be read.
    """
    path = _beside(rows)
    if not path.exists():
        return None
    fix = 'Write {"licences": ["..."]}, or remove the file and give --licence.'
    found = json_file(path, fix)
    licences = cast("Fields", found).get("licences") if isinstance(found, dict) else None
    listed = cast("list[object]", licences) if isinstance(licences, list) else [None]
    if not all(isinstance(each, str) for each in listed):
        raise UserError("The file is not a list of licences.", str(path), fix)
    return " AND ".join(filter(None, cast("list[str]", listed)))


def write_sidecar(rows: Path, licences: Sequence[str]) -> None:
    """Names the licences beside a file of rows.

    Raises:
        UserError: the disk is full or the folder can't be written.
    """
    named = [each for each in licences if each]
    write_atomic(_beside(rows), json_of({"licences": named}).encode() + b"\n")


def _beside(rows: Path) -> Path:
    return rows.with_name(f"{rows.name}.licences.json")
